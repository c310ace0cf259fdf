#include "spool/impl/changes.hpp"

#include <algorithm>

#include "base/msgpack.hpp"
#include "mail/envelope_codec.hpp"
#include "spool/impl/bytes.hpp"

namespace posthorn::spool {
namespace {

constexpr std::uint8_t kMessage = 1;
constexpr std::uint8_t kChanges = 2;

constexpr std::uint8_t kNullSender = 1;
constexpr std::uint8_t kHeld = 2;  // then its time follows

constexpr std::uint8_t kDelayWarned = 1;
constexpr std::uint8_t kDsnDone = 2;

bool read_message(ByteReader& in, QueuedMessage& message) {
    message.arrival = base::from_ms(unzigzag(in.varint()));
    message.size = in.varint();
    const auto flags = in.get<std::uint8_t>();
    message.null_sender = (flags & kNullSender) != 0;
    if ((flags & kHeld) != 0) message.hold_until = base::from_ms(unzigzag(in.varint()));
    const auto domains = in.varint();
    // Each takes an octet at least.
    if (in.failed() || domains > in.rest().size()) return false;
    std::vector<std::string_view> names;
    names.reserve(domains);
    for (std::uint64_t i = 0; i < domains; ++i) names.push_back(in.take(in.varint()));
    const auto recipients = in.varint();
    if (in.failed() || recipients > in.rest().size()) return false;
    message.recipients.clear();
    message.recipients.reserve(recipients);
    for (std::uint32_t i = 0; i < recipients; ++i) {
        const auto domain = in.varint();
        if (domain >= names.size()) return false;
        auto& recipient = message.recipients.emplace_back();
        recipient.index = i;
        recipient.domain = names[domain];
    }
    return !in.failed();
}

bool read_changes(ByteReader& in, QueuedMessage& message) {
    const auto frozen = in.get<std::uint8_t>();
    if (frozen != 0) message.frozen = frozen == 2;
    const auto count = in.varint();
    for (std::uint64_t i = 0; i < count && !in.failed(); ++i) {
        const auto index = in.varint();
        const auto status = in.get<std::uint8_t>();
        const auto attempts = in.varint();
        const auto next = unzigzag(in.varint());
        const auto flags = in.get<std::uint8_t>();
        if (in.failed() || status > static_cast<std::uint8_t>(mail::RecipientStatus::redirected)) return false;
        if (index >= message.recipients.size()) continue;
        auto& recipient = message.recipients[index];
        recipient.status = static_cast<mail::RecipientStatus>(status);
        recipient.attempts = static_cast<std::uint32_t>(attempts);
        recipient.next_try = base::from_ms(next);
        recipient.delay_warned = (flags & kDelayWarned) != 0;
        recipient.dsn_done = (flags & kDsnDone) != 0;
    }
    return !in.failed();
}

bool read_recipients(base::MsgpackReader& in, std::vector<RecipientUpdate>& recipients) {
    std::size_t count = 0;
    if (!in.array(count)) return false;
    for (; count > 0; --count) {
        std::size_t pair = 0;
        std::uint64_t index = 0;
        RecipientUpdate update;
        if (!in.array(pair) || pair != 2 || !in.uinteger(index) || index > UINT32_MAX) return false;
        if (!mail::read_state(in, update.state)) return false;
        update.index = static_cast<std::uint32_t>(index);
        recipients.push_back(std::move(update));
    }
    return true;
}

}  // namespace

std::string encode_changes(std::span<const RecipientUpdate> recipients, std::optional<bool> frozen) {
    base::MsgpackWriter out;
    out.map(frozen ? 2 : 1);
    out.str("r");
    out.array(recipients.size());
    for (const auto& update : recipients) {
        out.array(2);
        out.uinteger(update.index);
        mail::write_state(out, update.state);
    }
    if (frozen) {
        out.str("z");
        out.boolean(*frozen);
    }
    return out.take();
}

base::Result<Changes> decode_changes(std::string_view bytes) {
    base::MsgpackReader in(bytes);
    Changes changes;
    std::size_t count = 0;
    bool good = in.map(count);
    for (; good && count > 0; --count) {
        std::string_view key;
        bool frozen = false;
        good = in.str(key);
        if (!good) break;
        if (key == "r") {
            good = read_recipients(in, changes.recipients);
        } else if (key == "z") {
            good = in.boolean(frozen);
            changes.frozen = frozen;
        } else {
            good = in.skip();
        }
    }
    if (!good || !in.at_end()) return base::fail(base::ErrorKind::permanent, "state record: malformed");
    return changes;
}

void apply(const Changes& changes, StoredMessage& message) {
    for (const auto& update : changes.recipients) {
        if (update.index < message.recipients.size()) message.recipients[update.index] = update.state;
    }
    if (changes.frozen) message.frozen = *changes.frozen;
}

std::string summarize(const mail::Envelope& envelope, std::uint64_t body_size) {
    std::string out;
    out += static_cast<char>(kMessage);
    put_varint(out, zigzag(base::to_ms(envelope.arrival)));
    put_varint(out, body_size);
    const bool held = envelope.hold_until != base::WallTime{};
    put(out, static_cast<std::uint8_t>((envelope.reverse_path.empty() ? kNullSender : 0) | (held ? kHeld : 0)));
    if (held) put_varint(out, zigzag(base::to_ms(envelope.hold_until)));
    std::vector<std::string> names;
    std::vector<std::size_t> of;
    of.reserve(envelope.recipients.size());
    for (const auto& recipient : envelope.recipients) {
        auto key = mail::domain_key(recipient.address.domain);
        auto at = std::ranges::find(names, key);
        of.push_back(static_cast<std::size_t>(at - names.begin()));
        if (at == names.end()) names.push_back(std::move(key));
    }
    put_varint(out, names.size());
    for (const auto& name : names) {
        put_varint(out, name.size());
        out += name;
    }
    put_varint(out, of.size());
    for (const auto index : of) put_varint(out, index);
    return out;
}

std::string summarize(std::span<const RecipientUpdate> recipients, std::optional<bool> frozen) {
    std::string out;
    out += static_cast<char>(kChanges);
    put(out, static_cast<std::uint8_t>(frozen ? 1 + static_cast<int>(*frozen) : 0));
    put_varint(out, recipients.size());
    for (const auto& [index, state] : recipients) {
        put_varint(out, index);
        put(out, static_cast<std::uint8_t>(state.status));
        put_varint(out, state.attempts);
        put_varint(out, zigzag(base::to_ms(state.next_try)));
        put(out,
            static_cast<std::uint8_t>((state.delay_warned ? kDelayWarned : 0) | (state.dsn_done ? kDsnDone : 0)));
    }
    return out;
}

bool apply_trail(std::string_view trail, QueuedMessage& message) {
    ByteReader in(trail);
    bool first = true;
    while (!in.at_end()) {
        const auto kind = in.get<std::uint8_t>();
        if (kind != (first ? kMessage : kChanges)) return false;
        if (first ? !read_message(in, message) : !read_changes(in, message)) return false;
        first = false;
    }
    return !first;
}

}  // namespace posthorn::spool
