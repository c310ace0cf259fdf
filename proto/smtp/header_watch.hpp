// Reads along while a message streams by: counts its Received fields and finds its Message-ID and its Date. Costs nothing
// once the header is over.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace posthorn::smtp {

class HeaderWatch {
public:
    void feed(std::string_view bytes);

    // RFC 5321 §6.3: for finding loops.
    unsigned received() const { return received_; }
    // Of the first such field, without the white space around it; at most kMaxMessageId octets.
    const std::string& message_id() const { return message_id_; }
    // There are such fields, whatever stands in them.
    bool has_message_id() const { return has_message_id_; }
    bool has_date() const { return has_date_; }
    // The blank line was seen.
    bool over() const { return over_; }

    static constexpr std::size_t kMaxMessageId = 512;

private:
    void line(std::string_view text);

    std::string partial_;  // the start of a line that is not complete yet; bounded
    std::string message_id_;
    unsigned received_ = 0;
    bool over_ = false;
    bool has_message_id_ = false;
    bool has_date_ = false;
    bool in_message_id_ = false;  // its value may stand on a continuation line (RFC 5322 §2.2.3)
};

}  // namespace posthorn::smtp
