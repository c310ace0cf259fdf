// A message as it goes over the wire: the trace headers of its envelope, then its body, in pieces, never whole.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "mail/envelope.hpp"
#include "net/loop.hpp"
#include "net/pool.hpp"
#include "net/task.hpp"
#include "spool/body.hpp"

namespace posthorn::delivery {

inline constexpr std::size_t kPiece = 64 << 10;  // octets read from disk, and written, at a time

// Lives on one loop; read from its start for each transaction.
class MessageSource {
public:
    MessageSource(net::Loop& loop, net::Pool* disk, std::shared_ptr<const mail::Envelope> envelope,
                  std::shared_ptr<const spool::Body> body);

    std::uint64_t size() const { return envelope_->trace_headers.size() + body_->size(); }
    const mail::Envelope& envelope() const { return *envelope_; }
    void rewind() { offset_ = 0; }
    std::uint64_t given() const { return offset_; }
    std::uint64_t left() const { return size() - offset_; }
    // The next piece is of the trace headers: good as long as the source, not only until the next call.
    bool in_trace() const { return offset_ < envelope_->trace_headers.size(); }

    // The next octets, 1 to min(max, kPiece) of them; none at the end. Good until the next call.
    net::Task<base::Result<std::string_view>> next(std::uint64_t max);

private:
    net::Loop& loop_;
    net::Pool* disk_;
    std::shared_ptr<const mail::Envelope> envelope_;
    std::shared_ptr<const spool::Body> body_;
    // Shared with the pool's job, which may outlive this.
    std::shared_ptr<std::vector<char>> buffer_;
    std::uint64_t offset_ = 0;
};

}  // namespace posthorn::delivery
