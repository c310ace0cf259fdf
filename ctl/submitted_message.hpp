// A message as a local program hands it over, made fit to send: line ends, missing fields, recipients. Pure.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "mail/address.hpp"

namespace posthorn::ctl {

// Turns what programs write (LF, CRLF, a stray CR) into lines with CRLF, in pieces. With `dot_ends` a line with a
// single dot ends the message and the rest is ignored.
class LineEnds {
public:
    explicit LineEnds(bool dot_ends) : dot_ends_(dot_ends) {}
    void feed(std::string_view bytes, std::string& out);
    void finish(std::string& out);  // the last line gets its end
    bool ended() const { return ended_; }
    bool eight_bit() const { return eight_bit_; }
    bool nul() const { return nul_; }

private:
    void put(char c, std::string& out);
    void end_line(std::string& out);

    bool dot_ends_;
    bool ended_ = false;
    bool after_cr_ = false;
    bool eight_bit_ = false;
    bool nul_ = false;
    enum class Line : unsigned char { start, dot, inside } line_ = Line::start;
};

struct Submitter {
    mail::Address address;  // who runs us: user@host
    std::string full_name;
    std::string host;  // right side of Message-ID, domain of bare names
    base::WallTime now{};
    std::string unique;  // left side of Message-ID
};

struct PreparedHeader {
    std::string text;                       // the header section with what was missing, CRLF lines, no empty line
    std::vector<mail::Address> recipients;  // of To, Cc and Bcc, when asked for
    std::string message_id;
    bool utf8 = false;  // holds bytes that need SMTPUTF8
};

inline constexpr std::size_t kMaxHeader = std::size_t{1} << 20;  // octets

// `header`: everything before the empty line, CRLF lines. Adds Date, Message-ID and From (RFC 5322 §3.6, RFC 6409
// §8) where they are missing; with `take_recipients` Bcc goes. A first line that is no field ("From me ..." of an
// mbox) is dropped. The error is a sentence; exit status 65 (EX_DATAERR).
std::expected<PreparedHeader, std::string> prepare_header(std::string_view header, const Submitter& submitter,
                                                          bool take_recipients);

// Where the header section of `text` (CRLF lines) ends: what is before, and what the body begins with (its empty line
// included, which is made where a line follows that is no field).
struct Cut {
    std::string_view header;
    std::string_view body;
    bool separated = false;  // an empty line stood between
};
Cut cut_header(std::string_view text);

}  // namespace posthorn::ctl
