// What readers show of a message without opening it, made once of the text that all accounts share and told for each
// account's copy, before which stand fields of its own.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "mail/summary.hpp"
#include "store/body.hpp"

namespace posthorn::delivery {

class LocalSummary {
public:
    explicit LocalSummary(mail::Summary summary) : summary_(std::move(summary)) {}

    // For a copy with this before it: whole header fields, which say nothing that a summary tells.
    std::shared_ptr<const std::string> blob(std::string_view prefix);
    std::vector<std::string> thread_keys() const { return mail::thread_keys(summary_.thread); }

private:
    void move_to(std::uint64_t octets, std::uint64_t lines);

    mail::Summary summary_;
    std::uint64_t octets_ = 0;  // of what it reckons with now
    std::uint64_t lines_ = 0;
};

// Reads all of it; blocks: from a pool, unless it is in memory and small.
base::Result<std::shared_ptr<LocalSummary>> summarise(const store::Source& text);

}  // namespace posthorn::delivery
