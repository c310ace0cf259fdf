#include "mail/envelope_codec.hpp"

#include <limits>
#include <utility>

#include "base/ascii.hpp"
#include "mail/xtext.hpp"

namespace posthorn::mail {
namespace {

using base::MsgpackReader;
using base::MsgpackWriter;

void write_address(MsgpackWriter& out, const Address& address) {
    out.array(2);
    out.str(address.local);
    out.str(address.domain);
}

void write_recipient(MsgpackWriter& out, const Recipient& recipient) {
    out.map(3);
    out.str("a");
    write_address(out, recipient.address);
    out.str("n");
    out.uinteger(recipient.notify);
    out.str("o");
    out.str(recipient.orcpt);
}

void write_client(MsgpackWriter& out, const ClientInfo& client) {
    out.map(7);
    out.str("ip");
    out.str(client.ip);
    out.str("port");
    out.uinteger(client.port);
    out.str("helo");
    out.str(client.helo);
    out.str("esmtp");
    out.boolean(client.esmtp);
    out.str("tls");
    out.str(client.tls_version);
    out.str("ciph");
    out.str(client.tls_cipher);
    out.str("auth");
    out.str(client.auth_user);
}

void write_metadata(MsgpackWriter& out, const std::map<std::string, std::string>& metadata) {
    out.map(metadata.size());
    for (const auto& [key, value] : metadata) {
        out.str(key);
        out.str(value);
    }
}

void write_encryption(MsgpackWriter& out, const Encryption& encryption) {
    out.map(2);
    out.str("algorithm");
    out.str(encryption.algorithm);
    out.str("encrypted");
    out.boolean(encryption.encrypted);
}

// Reads a map and hands each key to `field(key)`, which reads or skips its value.
template <class Field>
bool read_map(MsgpackReader& in, Field field) {
    std::size_t count = 0;
    if (!in.map(count)) return false;
    for (; count > 0; --count) {
        std::string_view key;
        if (!in.str(key) || !field(key)) return false;
    }
    return true;
}

template <class T>
bool read_number(MsgpackReader& in, T& value, std::uint64_t max = std::numeric_limits<T>::max()) {
    std::uint64_t number = 0;
    if (!in.uinteger(number) || number > max) return false;
    value = static_cast<T>(number);
    return true;
}

template <class E>
bool read_enum(MsgpackReader& in, E& value, E last) {
    std::uint64_t number = 0;
    if (!in.uinteger(number) || number > static_cast<std::uint64_t>(last)) return false;
    value = static_cast<E>(number);
    return true;
}

bool read_time(MsgpackReader& in, base::WallTime& time) {
    std::int64_t ms = 0;
    if (!in.integer(ms)) return false;
    time = base::from_ms(ms);
    return true;
}

// Only what the grammar can spell: a local part with a line end in it would become a second SMTP command.
bool sound(const Address& address) {
    if (address.domain.empty()) return address.local.empty() || base::iequals(address.local, "postmaster");
    return parse_address(address.to_string()) == address;
}

bool read_address(MsgpackReader& in, Address& address) {
    std::size_t count = 0;
    if (!in.array(count) || count != 2) return false;
    return in.str(address.local) && in.str(address.domain) && sound(address);
}

bool read_recipient(MsgpackReader& in, Recipient& recipient) {
    const bool read = read_map(in, [&](std::string_view key) {
        if (key == "a") return read_address(in, recipient.address);
        if (key == "n") return read_number(in, recipient.notify, 15);
        if (key == "o") return in.str(recipient.orcpt) && esmtp_value(recipient.orcpt, true);
        return in.skip();
    });
    return read && !recipient.address.empty();
}

bool read_recipients(MsgpackReader& in, std::vector<Recipient>& recipients) {
    std::size_t count = 0;
    if (!in.array(count)) return false;
    for (; count > 0; --count) {
        if (!read_recipient(in, recipients.emplace_back())) return false;
    }
    return true;
}

bool read_client(MsgpackReader& in, ClientInfo& client) {
    return read_map(in, [&](std::string_view key) {
        if (key == "ip") return in.str(client.ip);
        if (key == "port") return read_number(in, client.port);
        if (key == "helo") return in.str(client.helo);
        if (key == "esmtp") return in.boolean(client.esmtp);
        if (key == "tls") return in.str(client.tls_version);
        if (key == "ciph") return in.str(client.tls_cipher);
        if (key == "auth") return in.str(client.auth_user);
        return in.skip();
    });
}

bool read_trace(MsgpackReader& in, TraceContext& trace) {
    std::size_t count = 0;
    return in.array(count) && count == 2 && in.str(trace.trace_id) && in.str(trace.span_id);
}

bool read_metadata(MsgpackReader& in, std::map<std::string, std::string>& metadata) {
    return read_map(in, [&](std::string_view key) { return in.str(metadata[std::string(key)]); });
}

bool read_encryption(MsgpackReader& in, Encryption& encryption) {
    return read_map(in, [&](std::string_view key) {
        if (key == "algorithm") return in.str(encryption.algorithm);
        if (key == "encrypted") return in.boolean(encryption.encrypted);
        return in.skip();
    });
}

// Whole header lines and nothing that could end them early.
bool read_header_lines(MsgpackReader& in, std::string& text) {
    if (!in.str(text)) return false;
    if (text.empty()) return true;
    if (!text.ends_with("\r\n") || text.starts_with("\r\n")) return false;
    if (text.find('\0') != std::string::npos || text.find("\r\n\r\n") != std::string::npos) return false;
    for (std::size_t at = 0; at < text.size(); ++at) {
        const bool cr = text[at] == '\r';
        if (cr != (at + 1 < text.size() && text[at + 1] == '\n')) return false;
    }
    return true;
}

bool read_id(MsgpackReader& in, base::Ulid& id) {
    std::string_view bytes;
    if (!in.bin(bytes) || bytes.size() != id.bytes.size()) return false;
    for (std::size_t i = 0; i < bytes.size(); ++i) id.bytes[i] = static_cast<std::uint8_t>(bytes[i]);
    return true;
}

void write_id(MsgpackWriter& out, const base::Ulid& id) {
    out.bin({reinterpret_cast<const char*>(id.bytes.data()), id.bytes.size()});
}

bool read_field(MsgpackReader& in, std::string_view key, Envelope& e) {
    if (key == "id") return read_id(in, e.id);
    if (key == "o") return read_id(in, e.origin);
    if (key == "f") return read_address(in, e.reverse_path);
    if (key == "r") return read_recipients(in, e.recipients);
    if (key == "b") return read_enum(in, e.body, BodyType::binary_mime);
    if (key == "u") return in.boolean(e.smtputf8);
    if (key == "ret") return read_enum(in, e.ret, DsnReturn::headers);
    if (key == "eid") return in.str(e.envid) && esmtp_value(e.envid, false);
    if (key == "c") return read_client(in, e.client);
    if (key == "l") return in.str(e.listener);
    if (key == "pr") return in.boolean(e.promised);
    if (key == "t") return read_time(in, e.arrival);
    if (key == "hu") return read_time(in, e.hold_until);
    if (key == "s") return in.uinteger(e.body_size);
    if (key == "m") return in.str(e.header_message_id);
    if (key == "h") return read_header_lines(in, e.trace_headers);
    if (key == "tr") return read_trace(in, e.trace);
    if (key == "x") return read_metadata(in, e.metadata);
    if (key == "encryption") return read_encryption(in, e.encryption);
    return in.skip();
}

base::Result<Envelope> malformed(std::string_view what) {
    return base::fail(base::ErrorKind::permanent, "envelope: " + std::string(what), "5.6.0");
}

void write_outcome(MsgpackWriter& out, const Outcome& outcome) {
    out.map(8);
    out.str("k");
    out.uinteger(static_cast<std::uint64_t>(outcome.kind));
    out.str("c");
    out.integer(outcome.code);
    out.str("s");
    out.str(outcome.status);
    out.str("x");
    out.str(outcome.text);
    out.str("h");
    out.str(outcome.remote_host);
    out.str("i");
    out.str(outcome.remote_ip);
    out.str("l");
    out.str(outcome.tls);
    out.str("t");
    out.integer(base::to_ms(outcome.at));
}

bool read_outcome(MsgpackReader& in, Outcome& outcome) {
    return read_map(in, [&](std::string_view key) {
        if (key == "k") return read_enum(in, outcome.kind, Outcome::Kind::permanent);
        if (key == "c") return read_number(in, outcome.code, 999);
        if (key == "s") return in.str(outcome.status);
        if (key == "x") return in.str(outcome.text);
        if (key == "h") return in.str(outcome.remote_host);
        if (key == "i") return in.str(outcome.remote_ip);
        if (key == "l") return in.str(outcome.tls);
        if (key == "t") return read_time(in, outcome.at);
        return in.skip();
    });
}

}  // namespace

std::string encode_envelope(const Envelope& e) {
    MsgpackWriter out;
    const bool encrypted = e.encryption != Encryption{};
    const bool held = e.hold_until != base::WallTime{};
    const bool derived = e.origin != base::Ulid{};
    out.map(17 + (held ? 1 : 0) + (derived ? 1 : 0) + (encrypted ? 1 : 0));
    out.str("v");
    out.uinteger(kEnvelopeVersion);
    out.str("id");
    write_id(out, e.id);
    if (derived) {
        out.str("o");
        write_id(out, e.origin);
    }
    out.str("f");
    write_address(out, e.reverse_path);
    out.str("r");
    out.array(e.recipients.size());
    for (const auto& recipient : e.recipients) write_recipient(out, recipient);
    out.str("b");
    out.uinteger(static_cast<std::uint64_t>(e.body));
    out.str("u");
    out.boolean(e.smtputf8);
    out.str("ret");
    out.uinteger(static_cast<std::uint64_t>(e.ret));
    out.str("eid");
    out.str(e.envid);
    out.str("c");
    write_client(out, e.client);
    out.str("l");
    out.str(e.listener);
    out.str("pr");
    out.boolean(e.promised);
    out.str("t");
    out.integer(base::to_ms(e.arrival));
    out.str("s");
    out.uinteger(e.body_size);
    out.str("m");
    out.str(e.header_message_id);
    out.str("h");
    out.str(e.trace_headers);
    out.str("tr");
    out.array(2);
    out.str(e.trace.trace_id);
    out.str(e.trace.span_id);
    out.str("x");
    write_metadata(out, e.metadata);
    if (held) {
        out.str("hu");
        out.integer(base::to_ms(e.hold_until));
    }
    if (encrypted) {
        out.str("encryption");
        write_encryption(out, e.encryption);
    }
    return out.take();
}

base::Result<Envelope> decode_envelope_prefix(std::string_view bytes, std::size_t& used) {
    MsgpackReader in(bytes.substr(0, kMaxEnvelopeSize));
    Envelope envelope;
    std::uint64_t version = 0;
    std::string trouble;
    bool says_promised = false;
    const bool read = read_map(in, [&](std::string_view key) {
        says_promised = says_promised || key == "pr";
        const bool good = key == "v" ? in.uinteger(version) : read_field(in, key, envelope);
        if (!good) trouble = "bad value of \"" + std::string(key.substr(0, 16)) + '"';
        return good && (key != "v" || version <= kEnvelopeVersion);
    });
    used = in.used();
    if (version > kEnvelopeVersion) return malformed("made by a newer version: " + std::to_string(version));
    if (!read) return malformed(trouble.empty() ? "not a MessagePack map" : trouble);
    if (version == 0) return malformed("no version");
    // Written before there was the field: the listener's name told it.
    if (!says_promised) envelope.promised = envelope.listener.starts_with("lmtp ");
    return envelope;
}

base::Result<Envelope> decode_envelope(std::string_view bytes) {
    std::size_t used = 0;
    auto envelope = decode_envelope_prefix(bytes, used);
    if (envelope && used != bytes.size()) return malformed("bytes behind its end");
    return envelope;
}

void write_state(MsgpackWriter& out, const RecipientState& state) {
    const bool tried = state.last != Outcome{};
    out.map(tried ? 6 : 5);
    out.str("s");
    out.uinteger(static_cast<std::uint64_t>(state.status));
    out.str("a");
    out.uinteger(state.attempts);
    out.str("n");
    out.integer(base::to_ms(state.next_try));
    out.str("d");
    out.boolean(state.delay_warned);
    out.str("f");
    out.boolean(state.dsn_done);
    if (tried) {
        out.str("o");
        write_outcome(out, state.last);
    }
}

bool read_state(MsgpackReader& in, RecipientState& state) {
    return read_map(in, [&](std::string_view key) {
        if (key == "s") return read_enum(in, state.status, RecipientStatus::redirected);
        if (key == "a") return read_number(in, state.attempts);
        if (key == "n") return read_time(in, state.next_try);
        if (key == "d") return in.boolean(state.delay_warned);
        if (key == "f") return in.boolean(state.dsn_done);
        if (key == "o") return read_outcome(in, state.last);
        return in.skip();
    });
}

std::string encode_state(const RecipientState& state) {
    MsgpackWriter out;
    write_state(out, state);
    return out.take();
}

base::Result<RecipientState> decode_state(std::string_view bytes) {
    MsgpackReader in(bytes);
    RecipientState state;
    if (read_state(in, state) && in.at_end()) return state;
    return base::fail(base::ErrorKind::permanent, "recipient state: malformed", "5.6.0");
}

}  // namespace posthorn::mail
