// The bytes of a message on their way in and out, in bounded pieces.
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

namespace posthorn::store {

// No call reads more than this, nor does an answer hold more.
inline constexpr std::size_t kPiece = std::size_t{256} << 10U;

// Bytes to be stored. Immutable and shared: one body goes to many accounts. Read on the store's threads.
class Source {
public:
    virtual ~Source() = default;
    virtual std::uint64_t size() const = 0;
    // Up to into.size() octets from `offset`; 0 at the end alone. May block.
    virtual base::Result<std::size_t> read_at(std::uint64_t offset, std::span<char> into) const = 0;
};

// Octets in memory.
class MemorySource final : public Source {
public:
    explicit MemorySource(std::string bytes) : bytes_(std::move(bytes)) {}
    std::uint64_t size() const override { return bytes_.size(); }
    base::Result<std::size_t> read_at(std::uint64_t offset, std::span<char> into) const override {
        if (offset >= bytes_.size()) return 0;
        return bytes_.copy(into.data(), into.size(), offset);
    }

private:
    std::string bytes_;
};

// A body that comes in over a connection (APPEND): small ones stay in memory, larger ones go to a file of the account.
// One session's, on its loop; dropped, it leaves nothing behind.
class Upload {
public:
    virtual ~Upload() = default;
    // Takes at most kPiece octets. An error is final.
    virtual net::Task<base::Result<void>> write(net::Loop& loop, std::string bytes) = 0;
    virtual std::uint64_t size() const = 0;
    // What was written, for NewMessage::body; nothing is written after it.
    virtual std::shared_ptr<const Source> finish() = 0;
};

// A stored message's bytes. Stays readable while it lives, whatever becomes of the message. Any loop, one read at
// a time.
class Body {
public:
    virtual ~Body() = default;
    virtual std::uint64_t size() const = 0;
    // All of it, where it was small enough to be read at open().
    virtual std::optional<std::string_view> memory() const = 0;
    // Up to `count` (at most kPiece) octets from `offset`; fewer, or none, at the end alone.
    virtual net::Task<base::Result<std::string>> read(net::Loop& loop, std::uint64_t offset, std::size_t count) = 0;
};

}  // namespace posthorn::store
