#include "observe/history_record.hpp"

#include <algorithm>
#include <array>

#include "base/ascii.hpp"
#include "base/crc32c.hpp"
#include "base/msgpack.hpp"

namespace posthorn::observe {
namespace {

using base::MsgpackReader;
using base::MsgpackWriter;
using mail::Event;
using mail::EventKind;

constexpr std::string_view kMagic = "\xF1PHe";  // begins no UTF-8 text
constexpr std::size_t kHead = 12;               // magic, length, CRC; both little-endian
constexpr std::size_t kMaxListOctets = std::size_t{64} << 10;
constexpr std::size_t kMaxItems = 2000;  // of a list or map, when reading

void put32(std::string& out, std::uint32_t value) {
    for (int shift = 0; shift < 32; shift += 8) out += static_cast<char>((value >> shift) & 0xFFU);
}

std::uint32_t get32(std::string_view bytes) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < 4; ++i) value |= std::uint32_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
    return value;
}

std::string_view cut(std::string_view text) { return text.substr(0, kMaxEventText); }

std::int64_t microseconds(base::Duration d) {
    return std::chrono::duration_cast<std::chrono::microseconds>(d).count();
}

// Counts first: a map says how many follow.
class Fields {
public:
    void text(std::string_view key, std::string_view value) {
        if (!value.empty()) put(key, [&] { out_.str(cut(value)); });
    }
    void number(std::string_view key, std::int64_t value) {
        if (value != 0) put(key, [&] { out_.integer(value); });
    }
    template <class F>
    void put(std::string_view key, F write) {
        ++count_;
        out_.str(key);
        write();
    }
    MsgpackWriter& out() { return out_; }
    std::string take() {
        MsgpackWriter head;
        head.map(count_);
        return head.take() + out_.take();
    }

private:
    MsgpackWriter out_;
    std::size_t count_ = 0;
};

void put_list(Fields& fields, std::string_view key, const std::vector<std::string>& list) {
    if (list.empty()) return;
    std::size_t count = 0;
    for (std::size_t octets = 0; count < std::min(list.size(), kMaxItems); ++count) {
        octets += cut(list[count]).size() + 3;
        if (octets > kMaxListOctets) break;
    }
    fields.put(key, [&] {
        fields.out().array(count);
        for (std::size_t i = 0; i < count; ++i) fields.out().str(cut(list[i]));
    });
}

void put_extra(Fields& fields, const Event& event) {
    std::size_t count = 0;
    for (std::size_t octets = 0; count < event.extra.size(); ++count) {
        octets += cut(event.extra[count].first).size() + cut(event.extra[count].second).size() + 6;
        if (octets > kMaxListOctets) break;
    }
    if (count == 0) return;
    fields.put("E", [&] {
        fields.out().map(count);
        for (std::size_t i = 0; i < count; ++i) {
            fields.out().str(cut(event.extra[i].first));
            fields.out().str(cut(event.extra[i].second));
        }
    });
}

void put_delays(Fields& fields, const Event& event) {
    if (std::ranges::all_of(event.delays, [](auto d) { return d == base::Duration::zero(); })) return;
    fields.put("w", [&] {
        fields.out().array(std::size(event.delays));
        for (const auto d : event.delays) fields.out().integer(microseconds(d));
    });
}

std::string encode_payload(const Event& event) {
    Fields fields;
    fields.text("k", name(event.kind));
    fields.number("t", base::to_ms(event.at));
    if (event.message_id) {
        const auto& id = event.message_id->bytes;
        fields.put("i", [&] { fields.out().bin({reinterpret_cast<const char*>(id.data()), id.size()}); });
    }
    fields.text("s", event.session);
    fields.text("c", event.client_ip);
    fields.text("f", event.sender);
    fields.text("r", event.recipient);
    put_list(fields, "R", event.recipients);
    fields.text("d", event.domain);
    fields.text("h", event.remote_host);
    fields.text("a", event.remote_ip);
    fields.text("l", event.tls);
    fields.number("n", event.code);
    fields.text("u", event.status);
    fields.text("x", event.text);
    fields.text("D", event.detail);
    fields.text("m", event.header_message_id);
    fields.number("z", static_cast<std::int64_t>(event.size));
    fields.number("A", event.attempt);
    fields.number("e", microseconds(event.elapsed));
    put_delays(fields, event);
    put_extra(fields, event);
    put_list(fields, "L", event.dialogue);
    fields.text("T", event.trace.trace_id);
    return fields.take();
}

std::optional<EventKind> kind_of(std::string_view text) {
    for (int i = 0; i <= static_cast<int>(EventKind::done); ++i) {
        const auto kind = static_cast<EventKind>(i);
        if (name(kind) == text) return kind;
    }
    return std::nullopt;
}

bool read_id(MsgpackReader& in, std::optional<base::Ulid>& id) {
    std::string_view bytes;
    base::Ulid out;
    if (!in.bin(bytes) || bytes.size() != out.bytes.size()) return false;
    std::ranges::transform(bytes, out.bytes.begin(), [](char c) { return static_cast<std::uint8_t>(c); });
    id = out;
    return true;
}

bool read_list(MsgpackReader& in, std::vector<std::string>& list) {
    std::size_t count = 0;
    if (!in.array(count) || count > kMaxItems) return false;
    list.resize(count);
    return std::ranges::all_of(list, [&](std::string& item) { return in.str(item); });
}

bool read_extra(MsgpackReader& in, Event& event) {
    std::size_t count = 0;
    if (!in.map(count) || count > kMaxItems) return false;
    event.extra.resize(count);
    return std::ranges::all_of(event.extra, [&](auto& item) { return in.str(item.first) && in.str(item.second); });
}

bool read_duration(MsgpackReader& in, base::Duration& duration) {
    constexpr std::int64_t kMax = std::int64_t{100} * 366 * 24 * 3600 * 1'000'000;  // microseconds
    std::int64_t value = 0;
    if (!in.integer(value) || value < -kMax || value > kMax) return false;
    duration = std::chrono::microseconds(value);
    return true;
}

bool read_delays(MsgpackReader& in, Event& event) {
    std::size_t count = 0;
    if (!in.array(count) || count != std::size(event.delays)) return false;
    return std::ranges::all_of(event.delays, [&](base::Duration& d) { return read_duration(in, d); });
}

template <class T>
bool read_number(MsgpackReader& in, T& number) {
    std::int64_t value = 0;
    if (!in.integer(value) || !std::in_range<T>(value)) return false;
    number = static_cast<T>(value);
    return true;
}

bool read_time(MsgpackReader& in, std::int64_t& ms) {
    constexpr std::int64_t kYear10000 = 253'402'300'800'000;
    return in.integer(ms) && ms >= 0 && ms < kYear10000;
}

bool read_field(MsgpackReader& in, char key, Event& event) {
    switch (key) {
        case 'i': return read_id(in, event.message_id);
        case 's': return in.str(event.session);
        case 'c': return in.str(event.client_ip);
        case 'f': return in.str(event.sender);
        case 'r': return in.str(event.recipient);
        case 'R': return read_list(in, event.recipients);
        case 'd': return in.str(event.domain);
        case 'h': return in.str(event.remote_host);
        case 'a': return in.str(event.remote_ip);
        case 'l': return in.str(event.tls);
        case 'n': return read_number(in, event.code);
        case 'u': return in.str(event.status);
        case 'x': return in.str(event.text);
        case 'D': return in.str(event.detail);
        case 'm': return in.str(event.header_message_id);
        case 'z': return read_number(in, event.size);
        case 'A': return read_number(in, event.attempt);
        case 'e': return read_duration(in, event.elapsed);
        case 'w': return read_delays(in, event);
        case 'E': return read_extra(in, event);
        case 'L': return read_list(in, event.dialogue);
        case 'T': return in.str(event.trace.trace_id);
        default: return in.skip();
    }
}

// Calls `field(key)` for each member, which reads its value; keys are one octet, others are skipped.
template <class F>
bool read_map(std::string_view payload, MsgpackReader& in, F field) {
    std::size_t count = 0;
    if (payload.size() > kMaxEventRecord || !in.map(count)) return false;
    for (std::size_t i = 0; i < count; ++i) {
        std::string_view key;
        if (!in.str(key) || !(key.size() == 1 ? field(key.front()) : in.skip())) return false;
    }
    return in.at_end();
}

}  // namespace

std::string encode_event_record(const Event& event) {
    const std::string payload = encode_payload(event);
    std::string out;
    out.reserve(kHead + payload.size());
    out += kMagic;
    put32(out, static_cast<std::uint32_t>(payload.size()));
    put32(out, base::crc32c(0, payload));
    out += payload;
    return out;
}

EventRecord next_event_record(std::string_view bytes) {
    using State = EventRecord::State;
    const auto at = bytes.find(kMagic);
    if (at != 0) {
        if (kMagic.starts_with(bytes)) return {};  // too few to tell
        // The last octets may be the beginning of a magic.
        const auto skip =
            at != std::string_view::npos ? at : bytes.size() - std::min(bytes.size(), kMagic.size() - 1);
        return {State::bad, {}, std::max<std::size_t>(skip, 1)};
    }
    if (bytes.size() < kHead) return {};
    const std::size_t size = get32(bytes.substr(4));
    const EventRecord bad{State::bad, {}, std::min(bytes.find(kMagic, 1), kHead - kMagic.size() + 1)};
    if (size > kMaxEventRecord - kHead) return bad;
    if (bytes.size() < kHead + size) return {};
    const auto payload = bytes.substr(kHead, size);
    if (base::crc32c(0, payload) != get32(bytes.substr(8))) return bad;
    return {State::good, payload, kHead + size};
}

std::optional<Event> decode_event(std::string_view payload) {
    Event event;
    std::optional<EventKind> kind;
    std::int64_t ms = 0;
    MsgpackReader in(payload);
    const bool whole = read_map(payload, in, [&](char key) {
        if (key == 't') return read_time(in, ms);
        if (key != 'k') return read_field(in, key, event);
        std::string_view text;
        if (!in.str(text)) return false;
        kind = kind_of(text);
        return true;
    });
    if (!whole || !kind) return std::nullopt;
    event.kind = *kind;
    event.at = base::from_ms(ms);
    return event;
}

std::optional<EventKeys> read_event_keys(std::string_view payload) {
    EventKeys keys;
    MsgpackReader in(payload);
    const bool whole = read_map(payload, in, [&](char key) {
        std::string_view text;
        switch (key) {
            case 'k':
                if (!in.str(text)) return false;
                keys.dsn = text == name(EventKind::dsn_sent);
                return true;
            case 't': return read_time(in, keys.at_ms);
            case 'i': return read_id(in, keys.message_id);
            case 's': return in.str(keys.session);
            case 'c': return in.str(keys.client_ip);
            case 'f': return in.str(keys.sender);
            case 'r': return in.str(keys.recipient);
            case 'm': return in.str(keys.header_message_id);
            case 'D': return in.str(keys.detail);
            case 'R': {
                const auto begin = in.used();
                if (!in.skip()) return false;
                keys.recipients = payload.substr(begin, in.used() - begin);
                return true;
            }
            default: return in.skip();
        }
    });
    if (!whole) return std::nullopt;
    return keys;
}

bool any_recipient(std::string_view encoded, std::string_view wanted) {
    MsgpackReader in(encoded);
    std::size_t count = 0;
    if (encoded.empty() || !in.array(count)) return false;
    for (std::size_t i = 0; i < count; ++i) {
        std::string_view text;
        if (!in.str(text)) return false;
        if (base::iequals(bare(text), wanted)) return true;
    }
    return false;
}

std::string_view bare(std::string_view address) {
    if (address.size() >= 2 && address.front() == '<' && address.back() == '>')
        return address.substr(1, address.size() - 2);
    return address;
}

}  // namespace posthorn::observe
