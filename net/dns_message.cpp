#include "net/dns_message.hpp"

#include <algorithm>

#include "base/ascii.hpp"

namespace posthorn::net {
namespace {

constexpr std::size_t kMaxName = 253;  // as text; 255 bytes on the wire
constexpr std::size_t kMaxLabel = 63;
constexpr std::uint16_t kClassIn = 1;

constexpr std::uint16_t kFlagResponse = 0x8000;
constexpr std::uint16_t kFlagTruncated = 0x0200;
constexpr std::uint16_t kRcodeMask = 0x000F;
constexpr std::uint16_t kRcodeNxdomain = 3;

constexpr std::uint8_t kPointer = 0xC0;  // RFC 1035 §4.1.4

bool is_label_char(char c) { return base::is_alnum(c) || c == '-' || c == '_'; }

// A position in the message; every read is checked, and after one that failed all fail.
class Reader {
public:
    explicit Reader(std::span<const std::uint8_t> message, std::size_t at = 0) : message_(message), at_(at) {}

    bool ok() const { return ok_; }
    std::size_t at() const { return at_; }

    std::uint8_t u8() {
        if (!take(1)) return 0;
        return message_[at_ - 1];
    }
    std::uint16_t u16() {
        const auto high = u8();
        return static_cast<std::uint16_t>(high << 8U | u8());
    }
    std::uint32_t u32() {
        const std::uint32_t high = u16();
        return high << 16U | u16();
    }
    std::span<const std::uint8_t> bytes(std::size_t size) {
        if (!take(size)) return {};
        return message_.subspan(at_ - size, size);
    }

    // Lower case, without a final dot; the root is "". A byte that no host name has becomes '?', which equals
    // no name that was asked for.
    std::string name() {
        std::string text;
        // A pointer must lead to before everything read so far for this name: so there is no circle.
        std::size_t barrier = at_;
        std::size_t at = at_;
        bool jumped = false;
        while (true) {
            if (at >= message_.size()) return bad_name();
            const auto length = message_[at];
            if ((length & kPointer) == kPointer) {
                if (at + 1 >= message_.size()) return bad_name();
                const auto target = static_cast<std::size_t>((length & 0x3FU) << 8U | message_[at + 1]);
                if (target >= barrier) return bad_name();
                if (!jumped) at_ = at + 2;
                jumped = true;
                barrier = at = target;
                continue;
            }
            if (length > kMaxLabel) return bad_name();
            ++at;
            if (length == 0) break;
            if (at + length > message_.size() || text.size() + length + 1 > kMaxName + 1) return bad_name();
            if (!text.empty()) text += '.';
            for (std::size_t i = 0; i < length; ++i) {
                const auto c = static_cast<char>(message_[at + i]);
                text += is_label_char(c) ? base::to_lower(c) : '?';
            }
            at += length;
        }
        if (!jumped) at_ = at;
        return text;
    }

private:
    bool take(std::size_t size) {
        if (!ok_ || size > message_.size() - at_) return ok_ = false;
        at_ += size;
        return true;
    }
    std::string bad_name() {
        ok_ = false;
        return {};
    }

    std::span<const std::uint8_t> message_;
    std::size_t at_;
    bool ok_ = true;
};

struct Record {
    std::string owner;
    std::uint16_t type = 0;
    std::uint16_t klass = 0;
    std::uint32_t ttl = 0;
    std::size_t data = 0;  // where it begins
    std::size_t size = 0;
};

Record read_record(Reader& reader) {
    Record record;
    record.owner = reader.name();
    record.type = reader.u16();
    record.klass = reader.u16();
    record.ttl = reader.u32();
    if (record.ttl > 0x7FFFFFFFU) record.ttl = 0;  // RFC 2181 §8
    record.size = reader.u16();
    record.data = reader.at();
    reader.bytes(record.size);
    return record;
}

bool is(const Record& record, DnsType type) {
    return record.type == static_cast<std::uint16_t>(type) && record.klass == kClassIn;
}

DnsAnswer malformed(std::string_view name, std::string_view why) {
    DnsAnswer answer;
    answer.text = std::string(name) + ": malformed answer: " + std::string(why);
    return answer;
}

class Parser {
public:
    Parser(std::span<const std::uint8_t> message, std::string_view name, DnsType type)
        : message_(message), reader_(message), name_(name), type_(type) {}

    DnsAnswer parse() {
        reader_.u16();  // the id: whoever sent the question has matched it
        const auto flags = reader_.u16();
        const auto questions = reader_.u16();
        const auto answers = reader_.u16();
        const auto authorities = reader_.u16();
        reader_.u16();
        if (!reader_.ok() || (flags & kFlagResponse) == 0) return malformed(name_, "no response");
        if ((flags & kFlagTruncated) != 0) return malformed(name_, "truncated");
        const auto asked = reader_.name();
        const auto type = reader_.u16();
        const auto klass = reader_.u16();
        if (questions != 1 || !reader_.ok() || asked != name_ || type != static_cast<std::uint16_t>(type_) ||
            klass != kClassIn) {
            return malformed(name_, "another question");
        }
        const auto rcode = flags & kRcodeMask;
        if (rcode != 0 && rcode != kRcodeNxdomain) {
            DnsAnswer refused;
            refused.text = name_ + ": the server answered " + rcode_text(rcode);
            return refused;
        }
        for (unsigned i = 0; i < answers; ++i) {
            records_.push_back(read_record(reader_));
            if (!reader_.ok()) return malformed(name_, "a record is cut off");
        }
        if (!follow_aliases()) return malformed(name_, "CNAMEs without end");
        answer_.status = rcode == kRcodeNxdomain ? DnsStatus::nxdomain : DnsStatus::no_data;
        if (!collect()) return malformed(name_, "a record of the wrong form");
        if (answer_.status != DnsStatus::ok) finish_negative(authorities);
        answer_.ttl = std::chrono::seconds(ttl_);
        return std::move(answer_);
    }

private:
    static std::string rcode_text(int rcode) {
        switch (rcode) {
            case 1: return "FORMERR";
            case 2: return "SERVFAIL";
            case 4: return "NOTIMP";
            case 5: return "REFUSED";
            default: return "rcode " + std::to_string(rcode);
        }
    }

    void keep_least(std::uint32_t ttl) { ttl_ = std::min(ttl_, ttl); }

    bool follow_aliases() {
        answer_.canonical = name_;
        while (true) {
            const auto alias = std::ranges::find_if(records_, [this](const Record& record) {
                return is(record, DnsType::cname) && record.owner == answer_.canonical;
            });
            if (alias == records_.end()) return true;
            if (++answer_.links > kMaxCnameLinks) return false;
            Reader data(message_, alias->data);
            answer_.canonical = data.name();
            if (!data.ok() || answer_.canonical.empty()) return false;
            keep_least(alias->ttl);
        }
    }

    // False: a record that was asked for makes no sense.
    bool collect() {
        std::size_t count = 0;
        for (const auto& record : records_) {
            if (!is(record, type_) || record.owner != answer_.canonical || count == kMaxDnsRecords) continue;
            if (!take(record)) return false;
            ++count;
            keep_least(record.ttl);
            answer_.status = DnsStatus::ok;
        }
        return true;
    }

    bool take(const Record& record) {
        Reader data(message_, record.data);
        switch (type_) {
            case DnsType::a:
            case DnsType::aaaa: {
                IpAddress ip;
                ip.v6 = type_ == DnsType::aaaa;
                if (record.size != (ip.v6 ? 16U : 4U)) return false;
                std::ranges::copy(data.bytes(record.size), ip.bytes.begin());
                answer_.addresses.push_back(ip);
                return true;
            }
            case DnsType::mx: {
                MxRecord mx;
                mx.preference = data.u16();
                mx.host = data.name();
                if (!data.ok() || data.at() != record.data + record.size) return false;
                answer_.mx.push_back(std::move(mx));
                return true;
            }
            case DnsType::txt: {
                std::string text;
                while (data.at() < record.data + record.size) {
                    const auto length = data.u8();
                    if (data.at() + length > record.data + record.size) return false;
                    for (const auto byte : data.bytes(length)) text += static_cast<char>(byte);
                }
                answer_.texts.push_back(std::move(text));
                return true;
            }
            default: return false;
        }
    }

    // RFC 2308 §5: a negative answer lives as long as the SOA says that came with it.
    void finish_negative(unsigned authorities) {
        bool authoritative = false;
        for (unsigned i = 0; i < authorities && reader_.ok(); ++i) {
            const auto record = read_record(reader_);
            if (!reader_.ok() || !is(record, DnsType::soa)) continue;
            Reader data(message_, record.data);
            data.name();
            data.name();
            for (int field = 0; field < 4; ++field) data.u32();  // serial, refresh, retry, expire
            const auto minimum = data.u32();
            if (!data.ok()) continue;
            keep_least(record.ttl);
            keep_least(minimum);
            authoritative = true;
        }
        answer_.incomplete = answer_.status == DnsStatus::no_data && answer_.links > 0 && !authoritative;
        if (!authoritative && !answer_.incomplete) ttl_ = 0;
        answer_.text = name_ + (answer_.status == DnsStatus::nxdomain ? ": no such name" : ": no such record");
    }

    std::span<const std::uint8_t> message_;
    Reader reader_;
    std::string name_;
    DnsType type_;
    std::vector<Record> records_;
    DnsAnswer answer_;
    std::uint32_t ttl_ = 0x7FFFFFFF;
};

}  // namespace

DnsAnswer parse_dns_answer(std::span<const std::uint8_t> message, std::string_view name, DnsType type) {
    return Parser(message, name, type).parse();
}

std::string_view name(DnsStatus status) {
    switch (status) {
        case DnsStatus::ok: return "ok";
        case DnsStatus::no_data: return "no such record";
        case DnsStatus::nxdomain: return "no such name";
        case DnsStatus::servfail: return "server failed";
        case DnsStatus::timed_out: return "timed out";
        case DnsStatus::bad_name: return "bad name";
        case DnsStatus::local: return "local failure";
    }
    return "";
}

std::optional<std::string> dns_name(std::string_view text) {
    if (text.ends_with('.')) text.remove_suffix(1);
    if (text.empty() || text.size() > kMaxName || IpAddress::parse(text)) return std::nullopt;
    std::size_t label = 0;
    for (const char c : text) {
        if (c == '.') {
            if (label == 0) return std::nullopt;
            label = 0;
        } else if (!is_label_char(c) || ++label > kMaxLabel) {
            return std::nullopt;
        }
    }
    if (label == 0) return std::nullopt;
    return base::lower(text);
}

}  // namespace posthorn::net
