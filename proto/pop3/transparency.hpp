// A message as a multi-line reply: CRLF line ends, dots doubled (RFC 1939 §3), for TOP no more lines than asked for.
// Fed in pieces of any size.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace posthorn::pop3 {

class Transparency {
public:
    // `lines` of the body (TOP); nothing: all of it (RETR).
    explicit Transparency(std::optional<std::uint32_t> lines = std::nullopt) : lines_(lines) {}

    // Appends what goes on the wire. A bare LF becomes CRLF, a bare CR stays.
    void feed(std::string_view bytes, std::string& out);
    // All lines that were asked for have come: the rest need not be read.
    bool done() const { return done_; }
    // Appends the line end that may lack, and the final dot.
    void finish(std::string& out);

private:
    void line_over();

    std::optional<std::uint32_t> lines_;
    char last_ = '\n';   // octet before; a message begins like a line
    bool empty_ = true;  // the line at hand, so far, but for a CR
    bool in_body_ = false;
    bool done_ = false;
};

}  // namespace posthorn::pop3
