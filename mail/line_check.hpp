// Whether text given in pieces may travel: what SMTP lets in.
#pragma once

#include <string_view>

namespace posthorn::mail {

// Lines end in CRLF and no CR or LF stands alone, no NUL (RFC 5321 §2.3.8, §4.5.2).
class LineCheck {
public:
    // False: it may not; what comes after does not matter.
    bool feed(std::string_view bytes) {
        for (const char c : bytes) {
            if ((c == '\n') != (last_ == '\r') || c == '\0') return false;
            eight_bit_ = eight_bit_ || static_cast<unsigned char>(c) >= 0x80;
            last_ = c;
        }
        return true;
    }
    bool ended() const { return last_ == '\n'; }  // no line is open
    bool eight_bit() const { return eight_bit_; }

private:
    char last_ = '\n';
    bool eight_bit_ = false;
};

}  // namespace posthorn::mail
