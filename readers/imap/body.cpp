// The octets of messages on their way out: sections and decoded parts, in pieces.
#include <algorithm>

#include "base/log.hpp"
#include "mail/mime/transfer.hpp"
#include "proto/imap/section.hpp"
#include "proto/imap/text.hpp"
#include "readers/imap/session.hpp"

namespace posthorn::imap {
namespace {

constexpr std::size_t kPiece = 64 * 1024;

// A literal may not hold NUL (RFC 9051 §4.3).
void append_clean(std::string& out, std::string_view bytes) {
    const auto at = out.size();
    out += bytes;
    if (bytes.contains('\0')) std::replace(out.begin() + static_cast<std::ptrdiff_t>(at), out.end(), '\0', '\x80');
}

void put_mark(std::string& out, std::string_view before, std::uint64_t size) {
    out += before;
    put_number(out, size);
    out += "}\r\n";
}

std::string_view name_of(const FetchItem& item) {
    switch (item.kind) {
        case FetchItem::Kind::rfc822: return "RFC822";
        case FetchItem::Kind::rfc822_header: return "RFC822.HEADER";
        case FetchItem::Kind::rfc822_text: return "RFC822.TEXT";
        default: return {};
    }
}

Extent part_of(Extent extent, const std::optional<Partial>& partial) {
    if (!partial) return extent;
    const auto size = extent.end - extent.begin;
    const auto from = std::min(partial->offset, size);
    return {extent.begin + from, extent.begin + from + std::min(partial->count, size - from)};
}

}  // namespace

net::Task<base::Result<std::string>> read_range(net::Loop& loop, std::shared_ptr<store::Body> body,
                                                std::uint64_t begin, std::uint64_t end) {
    std::string out;
    while (begin < end) {
        auto piece = co_await body->read(loop, begin,
                                         static_cast<std::size_t>(std::min<std::uint64_t>(kPiece, end - begin)));
        if (!piece) co_return std::unexpected(piece.error());
        if (piece->empty()) break;
        out += *piece;
        begin += piece->size();
    }
    co_return out;
}

// The blob that was kept with it; a message without one, or with one of another version, is read.
net::Task<base::Result<mail::Summary>> Session::summary_of(const store::Message& message) {
    if (!message.summary.empty()) {
        if (auto kept = mail::decode_summary(message.summary)) co_return std::move(*kept);
    }
    auto body = co_await mail().open(loop(), account_, message.entry.email);
    if (!body) co_return std::unexpected(body.error());
    mail::SummaryBuilder builder;
    for (std::uint64_t at = 0; at < (*body)->size();) {
        const auto piece = co_await (*body)->read(loop(), at, kPiece);
        if (!piece) co_return std::unexpected(piece.error());
        if (piece->empty()) break;
        builder.feed(*piece);
        at += piece->size();
    }
    co_return builder.finish();
}

// Exactly the octets that were announced, or the connection ends: a literal cannot be taken back.
net::Task<bool> Session::stream_out(std::shared_ptr<store::Body> body, std::uint64_t begin, std::uint64_t end) {
    if (const auto memory = body->memory(); memory && end <= memory->size()) {
        for (; begin < end; begin += std::min<std::uint64_t>(kPiece, end - begin)) {
            append_clean(out(), memory->substr(begin, std::min<std::uint64_t>(kPiece, end - begin)));
            if (!co_await flush()) co_return false;
        }
        co_return true;
    }
    while (begin < end) {
        const auto piece = co_await body->read(
            loop(), begin, static_cast<std::size_t>(std::min<std::uint64_t>(kPiece, end - begin)));
        if (!piece || piece->empty()) {
            base::log::error("imap.body_short",
                             {{"session_id", id_},
                              {"account", account_.text()},
                              {"error", piece ? "the body ends too early" : piece.error().log_text}});
            lost_ = true;
            co_return false;
        }
        append_clean(out(), *piece);
        begin += piece->size();
        if (!co_await flush()) co_return false;
    }
    co_return true;
}

// BODY[...]: "NIL" for a part that is not there.
net::Task<bool> Session::put_section(const FetchItem& item, const store::Message& message,
                                     const mail::Summary* summary, std::shared_ptr<store::Body> body) {
    const auto plain = name_of(item);
    if (plain.empty()) {
        imap::put_section(out(), "BODY", item.section, item.partial);
    } else {
        out() += plain;
    }
    out() += ' ';
    const auto where = summary != nullptr ? locate(*summary, item.section) : Extent{0, message.entry.size};
    if (!where) {
        out() += "NIL";
        co_return true;
    }
    if (where->filter) {
        const auto end = std::min(where->end, where->begin + kMaxHeader);
        auto header = co_await read_range(loop(), body, where->begin, end);
        if (!header) {
            out() += "NIL";
            failed("read", header.error());
            co_return true;
        }
        const auto fields = filter_header(*header, item.section);
        header = {};
        const auto part = part_of({0, fields.size()}, item.partial);
        put_mark(out(), "{", part.end - part.begin);
        for (auto at = part.begin; at < part.end; at += kPiece) {
            append_clean(out(),
                         std::string_view(fields).substr(at, std::min<std::uint64_t>(kPiece, part.end - at)));
            if (!co_await flush()) co_return false;
        }
        co_return true;
    }
    const auto part = part_of({where->begin, std::min<std::uint64_t>(where->end, body->size())}, item.partial);
    put_mark(out(), "{", part.end - part.begin);
    co_return co_await stream_out(std::move(body), part.begin, part.end);
}

// RFC 9051 §6.4.5 BINARY: the part without its transfer encoding. Decoded twice: its size must be said first.
net::Task<bool> Session::put_binary(const FetchItem& item, const mail::Summary* summary,
                                    std::shared_ptr<store::Body> body) {
    const bool size_only = item.kind == FetchItem::Kind::binary_size;
    imap::put_section(out(), size_only ? "BINARY.SIZE" : "BINARY", item.section, item.partial);
    out() += ' ';
    Extent where{0, body->size()};
    auto encoding = mail::TransferEncoding::identity;
    if (summary != nullptr) {
        const auto* part = find_part(*summary, item.section.part);
        if (part == nullptr) {
            out() += size_only ? "0" : "NIL";
            co_return true;
        }
        where = {part->body, part->end};
        encoding = mail::transfer_encoding(part->encoding);
    }
    std::uint64_t total = 0;
    std::uint64_t skip = 0;
    std::uint64_t left = 0;
    for (const bool measure : {true, false}) {
        mail::TransferDecoder decoder(encoding);
        for (auto at = where.begin; at <= where.end;) {
            std::string decoded;
            if (at == where.end) {
                decoder.finish(decoded);
                ++at;
            } else {
                const auto piece = co_await body->read(
                    loop(), at, static_cast<std::size_t>(std::min<std::uint64_t>(kPiece, where.end - at)));
                if (!piece || piece->empty()) {
                    lost_ = true;
                    co_return false;
                }
                decoder.decode(*piece, decoded);
                at += piece->size();
            }
            if (measure) {
                total += decoded.size();
                continue;
            }
            const auto dropped = std::min<std::uint64_t>(skip, decoded.size());
            skip -= dropped;
            const auto shown = std::string_view(decoded).substr(dropped, left);
            out() += shown;  // literal8 may hold NUL
            left -= shown.size();
            if (!co_await flush()) co_return false;
        }
        if (!measure) break;
        if (size_only) {
            put_number(out(), total);
            co_return true;
        }
        const auto part = part_of({0, total}, item.partial);
        skip = part.begin;
        left = part.end - part.begin;
        put_mark(out(), "~{", left);
    }
    co_return true;
}

}  // namespace posthorn::imap
