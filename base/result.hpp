// The error type of the whole server, and what travels with it.
//
// Three tiers (docs/architecture.md): SMTP replies and delivery outcomes are values, not errors; an operation
// that can fail in the field returns Result<T>; an exception is a broken invariant or a failed start.
// An Error carries three texts for one failure: a code for the machine, a bland line for the peer, the full
// story for the operator. It is logged once, where it is decided what follows from it.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace posthorn::base {

enum class ErrorKind {
    temporary,  // trying again later may help (disk full, peer away, DNS time-out)
    permanent,  // trying again will not help (bad address, refused)
    protocol,   // the other side broke the rules
    internal,   // our own fault: a bug or a broken invariant that was caught
};

struct Error {
    ErrorKind kind = ErrorKind::internal;
    std::string status;     // enhanced status code of RFC 3463, "4.3.0"; empty where none applies
    std::string peer_text;  // for the wire: says nothing about our insides
    std::string log_text;   // for the operator: what, where, errno, path
    int code = 0;           // errno where there was one
};

template <class T>
using Result = std::expected<T, Error>;

inline std::unexpected<Error> fail(ErrorKind kind, std::string log_text, std::string status = {},
                                   std::string peer_text = {}) {
    return std::unexpected(Error{kind, std::move(status), std::move(peer_text), std::move(log_text), 0});
}

// "what: strerror(code)"; ENOSPC, EDQUOT, EMFILE, EIO and their like are temporary, the rest internal.
Error from_errno(std::string_view what, int code);
inline std::unexpected<Error> fail_errno(std::string_view what, int code) {
    return std::unexpected(from_errno(what, code));
}

}  // namespace posthorn::base
