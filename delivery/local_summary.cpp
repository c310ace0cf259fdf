#include "delivery/local_summary.hpp"

#include <algorithm>
#include <span>

namespace posthorn::delivery {

std::shared_ptr<const std::string> LocalSummary::blob(std::string_view prefix) {
    move_to(prefix.size(), static_cast<std::uint64_t>(std::ranges::count(prefix, '\n')));
    return std::make_shared<const std::string>(mail::encode_summary(summary_));
}

// Of the first part, the message itself, the header begins where it did, and grows.
void LocalSummary::move_to(std::uint64_t octets, std::uint64_t lines) {
    const auto moved = [&](std::uint64_t at) { return at - octets_ + octets; };
    for (std::size_t i = 0; i < summary_.parts.size(); ++i) {
        mail::MimePart& part = summary_.parts[i];
        if (i > 0)
            part.header = moved(part.header);
        else
            part.header_lines = part.header_lines - lines_ + lines;
        part.body = moved(part.body);
        part.end = moved(part.end);
    }
    summary_.size = moved(summary_.size);
    summary_.lines = summary_.lines - lines_ + lines;
    octets_ = octets;
    lines_ = lines;
}

base::Result<std::shared_ptr<LocalSummary>> summarise(const store::Source& text) {
    mail::SummaryBuilder builder;
    std::vector<char> piece(std::min<std::uint64_t>(store::kPiece, text.size() + 1));
    for (std::uint64_t at = 0; at < text.size();) {
        const auto got = text.read_at(at, std::span<char>(piece));
        if (!got) return std::unexpected(got.error());
        if (*got == 0)
            return base::fail(base::ErrorKind::internal, "the body is shorter than it should be", "4.3.0");
        builder.feed({piece.data(), *got});
        at += *got;
    }
    return std::make_shared<LocalSummary>(builder.finish());
}

}  // namespace posthorn::delivery
