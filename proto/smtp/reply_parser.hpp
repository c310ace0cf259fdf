// Replies of a server, from bytes as they come: RFC 5321 §4.2, multi-line, with the enhanced codes of RFC 2034.
// The server is not trusted: what is kept is bounded, and text is made printable before anyone sees it.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace posthorn::smtp {

struct RemoteReply {
    int code = 0;                    // 200..599
    std::string status;              // enhanced code of the first line that has one, "5.1.1"; empty: none
    std::vector<std::string> lines;  // printable, without the reply code; enhanced codes still there

    bool positive() const { return code / 100 == 2; }
    bool temporary() const { return code / 100 == 4; }
    bool permanent() const { return code / 100 == 5; }
    std::string text() const;  // all lines as one, without enhanced codes, at most kMaxReplyText octets
};

inline constexpr std::size_t kMaxReplyLine = 2048;      // octets; RFC 5321 §4.5.3.1.5 says 512
inline constexpr std::size_t kMaxReplyLines = 200;      // of one reply
inline constexpr std::size_t kMaxReplyKept = 16 << 10;  // octets of text of one reply; what is beyond is dropped
inline constexpr std::size_t kMaxReplyText = 1000;      // octets of RemoteReply::text()

class ReplyParser {
public:
    void add(std::string_view bytes) {
        if (!broken()) buffer_ += bytes;
    }

    // The next complete reply, or nothing: more bytes are needed, or broken().
    std::optional<RemoteReply> next();

    // What the server sends is no SMTP: the text says why. It stays so.
    bool broken() const { return !trouble_.empty(); }
    const std::string& trouble() const { return trouble_; }

    // Bytes that no reply has taken yet.
    bool buffered() const { return at_ < buffer_.size() || count_ > 0; }
    void clear();  // forgets them (RFC 3207 §4.2)

private:
    bool line(std::string_view text);  // true: it was the last of its reply

    std::string buffer_;
    std::size_t at_ = 0;        // read up to here
    std::size_t searched_ = 0;  // no line end before here
    RemoteReply partial_;
    std::size_t kept_ = 0;
    std::size_t count_ = 0;
    std::string trouble_;
};

// "x.y.z" at the start of a reply line, RFC 3463 §2: class, subject and detail of one to three digits. Empty: none.
std::string_view enhanced_code(std::string_view line);

// The enhanced code a reply stands for: its own, put in the reply's class where the two disagree, else the one that
// comes closest to what the code says after `at_rcpt` or elsewhere. Never empty.
std::string status_of(const RemoteReply& reply, bool at_rcpt);

}  // namespace posthorn::smtp
