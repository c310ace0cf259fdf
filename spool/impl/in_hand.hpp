// Which message each loop has in hand, in a file that is mapped and never synced: it survives the process, not the
// power. A message whose handling ended the process by its own fault three times is not handed out again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/ulid.hpp"

namespace posthorn::spool {

class InHand {
public:
    static constexpr std::size_t kMaxLoops = 256;
    static constexpr std::uint32_t kCrashes = 3;  // and it is put aside

    // Maps `path`, makes it if it is not there; one of another layout is started anew. Counts what the last run left.
    static base::Result<std::unique_ptr<InHand>> open(const std::string& path);
    ~InHand();
    InHand(const InHand&) = delete;
    InHand& operator=(const InHand&) = delete;

    // Crashed so often that they must be put aside; forgotten by the call.
    std::vector<base::Ulid> take_guilty();

    // On the loop's own thread: the crash of a thread is blamed on the slot it set last.
    void set(std::size_t loop_index, const std::optional<base::Ulid>& id);

private:
    struct Layout;
    explicit InHand(Layout* layout) : layout_(layout) {}
    void count_crashes();
    void blame(const std::uint8_t* id, int signal);

    Layout* layout_;
};

}  // namespace posthorn::spool
