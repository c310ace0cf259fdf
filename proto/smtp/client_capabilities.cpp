#include "proto/smtp/client_capabilities.hpp"

#include <charconv>

#include "base/ascii.hpp"

namespace posthorn::smtp {
namespace {

// The next word; `rest` moves behind it.
std::string_view word(std::string_view& rest) {
    while (rest.starts_with(' ')) rest.remove_prefix(1);
    const auto end = rest.find(' ');
    const auto found = rest.substr(0, end);
    rest.remove_prefix(found.size());
    return found;
}

template <class T>
std::optional<T> number(std::string_view text) {
    T value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

void read_auth(std::string_view mechanisms, Capabilities& out) {
    for (auto name = word(mechanisms); !name.empty(); name = word(mechanisms)) {
        if (base::iequals(name, "PLAIN")) out.auth_plain = true;
        if (base::iequals(name, "LOGIN")) out.auth_login = true;
    }
}

// RFC 9422 §4: name=value; a limit of 0 is not a limit one can work with.
void read_limits(std::string_view limits, Capabilities& out) {
    for (auto item = word(limits); !item.empty(); item = word(limits)) {
        const auto equals = item.find('=');
        if (equals == std::string_view::npos) continue;
        const auto name = item.substr(0, equals);
        const auto value = number<std::uint32_t>(item.substr(equals + 1));
        if (!value || *value == 0) continue;
        if (base::iequals(name, "RCPTMAX")) out.max_recipients = *value;
        if (base::iequals(name, "MAILMAX")) out.max_messages = *value;
        if (base::iequals(name, "RCPTDOMAINMAX")) out.one_domain = *value == 1;
    }
}

struct Keyword {
    std::string_view name;
    bool Capabilities::* flag;
};

constexpr Keyword kKeywords[] = {
    {"PIPELINING", &Capabilities::pipelining},
    {"STARTTLS", &Capabilities::starttls},
    {"8BITMIME", &Capabilities::eight_bit_mime},
    {"CHUNKING", &Capabilities::chunking},
    {"BINARYMIME", &Capabilities::binary_mime},
    {"SMTPUTF8", &Capabilities::smtputf8},
    {"DSN", &Capabilities::dsn},
    {"SIZE", &Capabilities::size},
    {"XTRACE", &Capabilities::trace},
};

}  // namespace

Capabilities parse_capabilities(const RemoteReply& reply) {
    Capabilities out;
    for (std::size_t i = 1; i < reply.lines.size(); ++i) {  // the first line is a greeting
        std::string_view rest = reply.lines[i];
        const auto keyword = word(rest);
        for (const auto& known : kKeywords) {
            if (base::iequals(keyword, known.name)) out.*known.flag = true;
        }
        if (base::iequals(keyword, "SIZE")) out.max_size = number<std::uint64_t>(word(rest)).value_or(0);
        if (base::iequals(keyword, "AUTH")) read_auth(rest, out);
        if (base::istarts_with(keyword, "AUTH=")) read_auth(reply.lines[i].substr(5), out);  // before RFC 2554
        if (base::iequals(keyword, "LIMITS")) read_limits(rest, out);
    }
    return out;
}

}  // namespace posthorn::smtp
