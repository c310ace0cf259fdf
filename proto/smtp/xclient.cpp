#include "proto/smtp/xclient.hpp"

#include <array>
#include <charconv>
#include <utility>

#include "base/ascii.hpp"
#include "base/utf8.hpp"
#include "mail/xtext.hpp"

namespace posthorn::smtp {
namespace {

constexpr Fault kFault{501, "5.5.4", "Malformed XCLIENT attribute"};
constexpr std::size_t kMaxValue = 255;  // octets

using Member = std::optional<std::string> XclientAttributes::*;
constexpr std::array<std::pair<std::string_view, Member>, 8> kAttributes{{
    {"NAME", &XclientAttributes::name},
    {"ADDR", &XclientAttributes::addr},
    {"PORT", &XclientAttributes::port},
    {"PROTO", &XclientAttributes::proto},
    {"HELO", &XclientAttributes::helo},
    {"LOGIN", &XclientAttributes::login},
    {"DESTADDR", &XclientAttributes::destaddr},
    {"DESTPORT", &XclientAttributes::destport},
}};

bool is_port(std::string_view text) {
    std::uint16_t port = 0;
    const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    return error == std::errc{} && stop == text.data() + text.size();
}

// An attribute's value in plain form; nothing when it cannot be one.
std::optional<std::string> value_of(Member member, std::string_view text) {
    auto value = mail::xtext_decode(text);
    if (!value || value->empty() || value->size() > kMaxValue || !base::valid_utf8(*value)) return std::nullopt;
    for (const char c : *value) {
        if (base::is_ascii(c) && (!base::is_print(c) || c == ' ')) return std::nullopt;
    }
    if (base::iequals(*value, "[UNAVAILABLE]") || base::iequals(*value, "[TEMPUNAVAIL]")) return std::string{};
    if (member == &XclientAttributes::addr || member == &XclientAttributes::destaddr) {
        if (base::istarts_with(*value, "IPV6:")) value->erase(0, 5);
        const bool v6 = value->contains(':');
        return mail::literal_address((v6 ? "[IPv6:" : "[") + *value + "]");
    }
    if ((member == &XclientAttributes::port || member == &XclientAttributes::destport) && !is_port(*value)) {
        return std::nullopt;
    }
    if (member == &XclientAttributes::helo && !parse_helo(*value)) return std::nullopt;
    if (member == &XclientAttributes::proto) {
        if (!base::iequals(*value, "SMTP") && !base::iequals(*value, "ESMTP")) return std::nullopt;
        *value = base::upper(*value);
    }
    return value;
}

}  // namespace

Parsed<XclientAttributes> parse_xclient(std::string_view argument) {
    XclientAttributes out;
    if (argument.empty()) return std::unexpected(kFault);
    while (!argument.empty()) {
        const auto word = argument.substr(0, argument.find(' '));
        argument.remove_prefix(word.size());
        while (argument.starts_with(' ')) argument.remove_prefix(1);
        const auto equals = word.find('=');
        if (equals == std::string_view::npos) return std::unexpected(kFault);
        bool known = false;
        for (const auto& [keyword, member] : kAttributes) {
            if (!base::iequals(word.substr(0, equals), keyword)) continue;
            known = true;
            auto value = value_of(member, word.substr(equals + 1));
            if (!value || out.*member) return std::unexpected(kFault);
            out.*member = std::move(value);
        }
        if (!known) return std::unexpected(kFault);
    }
    return out;
}

}  // namespace posthorn::smtp
