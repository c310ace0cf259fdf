#include "proto/imap/url.hpp"

#include <charconv>
#include <utility>

#include "base/ascii.hpp"
#include "base/utf8.hpp"
#include "proto/imap/parser.hpp"

namespace posthorn::imap {
namespace {

std::optional<std::string> decode(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            out += text[i];
            continue;
        }
        unsigned octet = 0;
        const auto* begin = text.data() + i + 1;
        if (text.size() - i < 3 || std::from_chars(begin, begin + 2, octet, 16).ptr != begin + 2)
            return std::nullopt;
        out += static_cast<char>(octet);
        i += 2;
    }
    if (out.find('\0') != std::string::npos || !base::valid_utf8(out)) return std::nullopt;
    return out;
}

template <class Number>
bool read_number(std::string_view text, Number& number) {
    const auto* end = text.data() + text.size();
    const auto read = std::from_chars(text.data(), end, number);
    return read.ec == std::errc() && read.ptr == end;
}

// "imap://user;AUTH=*@host:143/": what stands before the path.
bool take_server(std::string_view& text, MessageUrl& url) {
    if (!base::istarts_with(text, "imap://")) return true;
    text.remove_prefix(7);
    const auto end = text.find('/');
    if (end == std::string_view::npos) return false;
    auto server = text.substr(0, end);
    text.remove_prefix(end);
    if (const auto at = server.rfind('@'); at != std::string_view::npos) {
        const auto user = decode(server.substr(0, std::min(at, server.find(';'))));
        if (!user || user->empty()) return false;
        url.user = *user;
        server.remove_prefix(at + 1);
    }
    if (const auto colon = server.rfind(':'); colon != std::string_view::npos && !server.ends_with(']'))
        server = server.substr(0, colon);
    url.host = std::string(server);
    return !server.empty();
}

bool read_section(std::string_view value, Section& section) {
    const auto text = decode(value);
    if (!text) return false;
    const auto bracketed = '[' + *text + ']';
    Scanner s(bracketed, true);
    section = detail::parse_section(s, false);
    s.end();
    return s.ok();
}

bool read_partial(std::string_view value, MessageUrl& url) {
    const auto dot = value.find('.');
    if (!read_number(value.substr(0, dot), url.offset.emplace())) return false;
    return dot == std::string_view::npos || read_number(value.substr(dot + 1), url.count.emplace());
}

// One of ";UID=20", ";SECTION=1.2", ";PARTIAL=0.1024".
bool read_piece(std::string_view piece, MessageUrl& url) {
    const auto equals = piece.find('=');
    if (equals == std::string_view::npos) return false;
    const auto name = base::upper(piece.substr(0, equals));
    const auto value = piece.substr(equals + 1);
    if (name == ";UID") return url.uid == 0 && read_number(value, url.uid) && url.uid != 0;
    if (name == ";SECTION") return read_section(value, url.section);
    if (name == ";PARTIAL") return read_partial(value, url);
    return false;  // URLAUTH (RFC 4467), too
}

// Where the mailbox's name ends: at the "/;UID=" behind it.
std::size_t path_end(std::string_view path) {
    for (std::size_t at = path.find(';'); at != std::string_view::npos; at = path.find(';', at + 1)) {
        if (base::istarts_with(path.substr(at), ";UID=")) return at;
    }
    return std::string_view::npos;
}

}  // namespace

std::optional<MessageUrl> parse_message_url(std::string_view text) {
    MessageUrl url;
    if (!take_server(text, url)) return std::nullopt;
    const bool absolute = text.starts_with('/');
    if (absolute) text.remove_prefix(1);
    const auto end = path_end(text);
    if (end == std::string_view::npos) return std::nullopt;
    auto mailbox = text.substr(0, end);
    if (!mailbox.empty() && !std::exchange(mailbox, mailbox.substr(0, mailbox.size() - 1)).ends_with('/'))
        return std::nullopt;
    if (const auto mark = base::upper(mailbox).find(";UIDVALIDITY="); mark != std::string::npos) {
        if (!read_number(mailbox.substr(mark + 13), url.uid_validity) || url.uid_validity == 0) return std::nullopt;
        mailbox = mailbox.substr(0, mark);
    }
    auto name = decode(mailbox);
    if (!name || (url.host && name->empty())) return std::nullopt;
    url.mailbox = std::move(*name);
    for (auto rest = text.substr(end); !rest.empty();) {
        const auto slash = rest.find("/;");
        if (!read_piece(rest.substr(0, slash), url)) return std::nullopt;
        rest = slash == std::string_view::npos ? std::string_view() : rest.substr(slash + 1);
    }
    if (url.uid == 0) return std::nullopt;
    return url;
}

}  // namespace posthorn::imap
