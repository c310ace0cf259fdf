// What readers show of a message without opening it: envelope, structure, preview, what it answers. Made once, while
// the body streams in at delivery, and kept beside it by the store as a blob of its own version (encode_summary, decode_summary).
// Pure values, no I/O; a builder belongs to one thread.
//
// Texts are as the header has them, unfolded, without CR, LF and NUL: encoded words and octets beyond ASCII stay
// (IMAP shows them so); mail/mime/encoded_word.hpp and mail/mime/parameters.hpp decode them for those who want that.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"

namespace posthorn::mail {

// What a summary keeps of a message at most; the rest of it still counts in sizes and lines.
struct SummaryLimits {
    static constexpr std::size_t parts = 1000;
    static constexpr std::size_t depth = 50;              // parts in parts
    static constexpr std::size_t field = 64 * 1024;       // octets of one header field
    static constexpr std::size_t texts = 256 * 1024;      // octets of all that is kept
    static constexpr std::size_t addresses = 5000;        // of all envelopes of the message
    static constexpr std::size_t parameters = 50;         // of one field
    static constexpr std::size_t references = 100;        // message ids; the first and the newest
    static constexpr std::size_t preview = 256;           // characters
    static constexpr std::size_t blob = 2 * 1024 * 1024;  // octets of an encoded summary
};

// One entry of an address field, in IMAP's terms (RFC 9051 §7.5.2): a group is its beginning, its members, its end.
struct ListedAddress {
    enum class Kind : std::uint8_t { mailbox, group_begin, group_end };
    Kind kind = Kind::mailbox;
    std::string name;    // of a mailbox or a group, without quotes; empty: none
    std::string local;   // unquoted
    std::string domain;  // empty: there was none
    bool operator==(const ListedAddress&) const = default;
};

struct MessageEnvelope {
    std::string date;     // the field's text
    std::string subject;  // empty: none
    std::vector<ListedAddress> from;
    std::vector<ListedAddress> sender;    // as written: empty does not become `from` here (IMAP's reply does that)
    std::vector<ListedAddress> reply_to;  // so too
    std::vector<ListedAddress> to;
    std::vector<ListedAddress> cc;
    std::vector<ListedAddress> bcc;
    std::string in_reply_to;
    std::string message_id;
    std::optional<std::int64_t> sent;  // `date` in seconds since 1970, where it is a date
    int zone_minutes = 0;              // its offset from UTC
    bool operator==(const MessageEnvelope&) const = default;
};

using MimeParameters = std::vector<std::pair<std::string, std::string>>;  // name in lower case; value unquoted

// A part of the message; parts stand in the order of the message, each behind the one it is in.
struct MimePart {
    static constexpr std::uint32_t kNone = 0xFFFFFFFF;
    std::uint32_t parent = kNone;
    std::string type = "text";  // lower case
    std::string subtype = "plain";
    MimeParameters parameters;  // of Content-Type, as written: RFC 2231's continuations are not joined
    std::string id;             // Content-ID
    std::string description;
    std::string encoding = "7bit";  // lower case
    std::string md5;
    std::string disposition;  // lower case; empty: none
    MimeParameters disposition_parameters;
    std::vector<std::string> language;
    std::string location;
    // Octets from the message's beginning: the header [header, body), the body [body, end).
    std::uint64_t header = 0;
    std::uint64_t body = 0;
    std::uint64_t end = 0;
    std::uint64_t header_lines = 0;
    std::uint64_t lines = 0;  // line ends in the body
    std::unique_ptr<MessageEnvelope>
        envelope;  // of a message/rfc822 or message/global: the message inside it, whose
                   // root is the next part

    std::uint64_t size() const { return end - body; }
    bool multipart() const { return type == "multipart"; }
    bool message() const { return type == "message" && (subtype == "rfc822" || subtype == "global"); }
};

struct ThreadKeys {
    std::string message_id;               // "<a@b>"; empty: none, or none that is one
    std::vector<std::string> references;  // References, or In-Reply-To where there are none: oldest first
    std::string base_subject;             // RFC 5256 §2.1, UTF-8
    bool answer = false;                  // the subject was of a reply or a forward
    bool operator==(const ThreadKeys&) const = default;
};

// What messages of one thread share (RFC 8621 §3): each message id it bears or refers to, oldest first, with the base
// subject behind it.
std::vector<std::string> thread_keys(const ThreadKeys& keys);

struct Summary {
    MessageEnvelope envelope;
    std::vector<MimePart> parts;  // never empty
    ThreadKeys thread;
    std::string preview;  // UTF-8, spaces folded
    bool has_attachment = false;
    bool complete = true;  // false: a limit cut something off, or a part was not ended
    std::uint64_t size = 0;
    std::uint64_t lines = 0;
};

// Fed with a message in pieces of any size; keeps within SummaryLimits whatever comes. Time is linear in the octets.
class SummaryBuilder {
public:
    SummaryBuilder();
    ~SummaryBuilder();
    SummaryBuilder(SummaryBuilder&&) noexcept;
    SummaryBuilder& operator=(SummaryBuilder&&) noexcept;

    void feed(std::string_view bytes);
    Summary finish();  // once; nothing is fed after it

private:
    struct State;
    std::unique_ptr<State> state_;
};

// MessagePack, [version, …]; at most SummaryLimits::blob octets.
std::string encode_summary(const Summary& summary);
// An error (internal) for what is none, or of a version we do not know: the caller makes it again from the body.
base::Result<Summary> decode_summary(std::string_view blob);

}  // namespace posthorn::mail
