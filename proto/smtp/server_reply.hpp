// Replies of our server: code, enhanced status (RFC 2034), text.
#pragma once

#include <string>
#include <string_view>

#include "proto/smtp/command.hpp"

namespace posthorn::smtp {

struct ServerReply {
    int code = 0;
    std::string status;  // RFC 3463; empty where none belongs: greeting, EHLO, 3xx (RFC 2034 §3)
    std::string text;    // lines are separated by "\n"
    bool operator==(const ServerReply&) const = default;
};

// Appends one reply in wire form: "-" on all lines but the last, control characters turned to spaces, lines cut
// to RFC 5321 §4.5.3.1.5's 512 octets.
void append_reply(std::string& out, int code, std::string_view status, std::string_view text);

inline void append_reply(std::string& out, const ServerReply& reply) {
    append_reply(out, reply.code, reply.status, reply.text);
}

}  // namespace posthorn::smtp
