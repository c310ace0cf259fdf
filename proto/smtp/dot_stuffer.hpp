// The transparency of RFC 5321 §4.5.2 on its way out: a message as DATA wants it, without copying it.
#pragma once

#include <string_view>
#include <vector>

namespace posthorn::smtp {

class DotStuffer {
public:
    // Appends what is to be written for the next octets of the message; views into `raw` and constants.
    void stuff(std::string_view raw, std::vector<std::string_view>& pieces);

    // What ends the message: ".\r\n", and the line end it may lack before.
    std::string_view end() const { return crlf_ ? ".\r\n" : "\r\n.\r\n"; }

private:
    char last_ = '\n';  // of the octets so far; a message starts like a line
    bool crlf_ = true;  // they end a line
};

}  // namespace posthorn::smtp
