// The bytes of a message, header and all, as they came in: read in pieces, never held whole unless small.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "net/loop.hpp"
#include "net/task.hpp"

namespace posthorn::spool {

// Immutable; shared by all destinations of a message; keeps what it reads from alive (a segment, a file) while it
// lives. Any thread.
class Body {
public:
    virtual ~Body() = default;
    virtual std::uint64_t size() const = 0;
    // The whole body when it is in memory: the fast path of a fresh message.
    virtual std::optional<std::string_view> memory() const = 0;
    // Reads at `offset`, up to into.size() bytes; 0 at the end. May block on the disk: from a loop use read() below.
    virtual base::Result<std::size_t> read_at(std::uint64_t offset, std::span<char> into) const = 0;
};

// A message's body on its way in; owned by one session, used on its loop. Dropped without commit it leaves nothing
// behind. Small bodies stay in memory (128 KiB each, and within one budget for all); larger ones stream to
// spool/big/ through the disk pool.
class Intake {
public:
    virtual ~Intake() = default;
    // Takes the bytes (copies). True: enough is buffered that flush() should be awaited before more is given.
    virtual bool append(std::string_view bytes) = 0;
    // Brings what append() could not keep in memory to the disk. An error (disk full ...) is final: the message
    // must be refused with it; later calls give the same error.
    virtual net::Task<base::Result<void>> flush() = 0;
    virtual std::uint64_t size() const = 0;
    virtual const std::optional<base::Error>& error() const = 0;
};

}  // namespace posthorn::spool
