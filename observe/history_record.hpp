// One event as a record of the history's files: magic, length, CRC32C, then a MessagePack map with short keys that stay
// for ever; a key this version does not know is skipped. Pure. What is read may be damaged or cut off: every length is
// checked, nothing is trusted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "mail/event.hpp"

namespace posthorn::observe {

inline constexpr std::size_t kMaxEventRecord = std::size_t{256} << 10;  // octets, with its head
inline constexpr std::size_t kMaxEventText = 4096;                      // octets of one text; what is longer is cut

// Never longer than kMaxEventRecord: lists are cut short to fit.
std::string encode_event_record(const mail::Event& event);

// What stands at the beginning of `bytes`. `size`: octets to go on by; of something bad as far as the next record may
// begin, of something partial 0.
struct EventRecord {
    enum class State : std::uint8_t { good, partial, bad } state = State::partial;
    std::string_view payload;
    std::size_t size = 0;
};
EventRecord next_event_record(std::string_view bytes);

std::optional<mail::Event> decode_event(std::string_view payload);

// What a search looks at, without copying: views into the payload.
struct EventKeys {
    std::int64_t at_ms = 0;
    std::optional<base::Ulid> message_id;
    std::string_view session;
    std::string_view client_ip;
    std::string_view sender;
    std::string_view recipient;
    std::string_view recipients;  // the encoded list: see any_recipient()
    std::string_view header_message_id;
    std::string_view detail;
    bool dsn = false;  // of kind dsn_sent: `detail` begins with the notification's own id
};
std::optional<EventKeys> read_event_keys(std::string_view payload);
// Does the list hold `wanted`, in whatever case?
bool any_recipient(std::string_view encoded, std::string_view wanted);

// Without "<" and ">" around it.
std::string_view bare(std::string_view address);

}  // namespace posthorn::observe
