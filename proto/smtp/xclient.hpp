// XCLIENT: a trusted front end tells who the client behind it is (the protocol of Postfix's XCLIENT_README).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "proto/smtp/command.hpp"

namespace posthorn::smtp {

inline constexpr std::string_view kXclientOffer = "XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT";

// What was given; an empty text stands for [UNAVAILABLE] and [TEMPUNAVAIL].
struct XclientAttributes {
    std::optional<std::string> name;
    std::optional<std::string> addr;   // canonical, without the "IPV6:" tag
    std::optional<std::string> port;   // digits
    std::optional<std::string> proto;  // "SMTP" or "ESMTP"
    std::optional<std::string> helo;
    std::optional<std::string> login;
    std::optional<std::string> destaddr;
    std::optional<std::string> destport;
};

Parsed<XclientAttributes> parse_xclient(std::string_view argument);

}  // namespace posthorn::smtp
