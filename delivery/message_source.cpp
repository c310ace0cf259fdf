#include "delivery/message_source.hpp"

#include <algorithm>
#include <span>
#include <utility>

namespace posthorn::delivery {

namespace {

std::unexpected<base::Error> too_short() {
    return base::fail(base::ErrorKind::internal, "the body is shorter than it should be", "4.3.0");
}

}  // namespace

MessageSource::MessageSource(net::Loop& loop, net::Pool* disk, std::shared_ptr<const mail::Envelope> envelope,
                             std::shared_ptr<const spool::Body> body)
    : loop_(loop), disk_(disk), envelope_(std::move(envelope)), body_(std::move(body)) {}

net::Task<base::Result<std::string_view>> MessageSource::next(std::uint64_t max) {
    const std::string_view trace = envelope_->trace_headers;
    const auto want = std::min<std::uint64_t>({max, kPiece, size() - offset_});
    if (want == 0) co_return std::string_view();
    if (offset_ < trace.size()) {
        const auto piece = trace.substr(offset_, want);
        offset_ += piece.size();
        co_return piece;
    }
    const auto at = offset_ - trace.size();
    if (const auto memory = body_->memory()) {
        if (memory->size() < at + want) co_return too_short();
        offset_ += want;
        co_return memory->substr(at, want);
    }
    if (!buffer_) buffer_ = std::make_shared<std::vector<char>>(kPiece);
    auto job = [body = body_, buffer = buffer_, at, want] {
        return body->read_at(at, std::span<char>(buffer->data(), want));
    };
    const base::Result<std::size_t> got = co_await net::offload(loop_, *disk_, std::move(job));
    if (!got) co_return std::unexpected(got.error());
    if (*got == 0) co_return too_short();
    offset_ += *got;
    co_return std::string_view(buffer_->data(), *got);
}

}  // namespace posthorn::delivery
