#include "bench/micro_cases.hpp"

#include <algorithm>
#include <cstring>
#include <memory>

#include "mail/envelope_codec.hpp"
#include "proto/smtp/command.hpp"
#include "proto/smtp/dot_stuffer.hpp"
#include "proto/smtp/reply_parser.hpp"
#include "proto/smtp/server_session.hpp"
#include "proto/smtp/text_decoder.hpp"
#include "spool/impl/round.hpp"
#include "spool/impl/segment_reader.hpp"

namespace posthorn::bench {
namespace {

std::string message(std::size_t size) {
    std::string text =
        "From: <load@example.org>\r\nTo: <sink@example.net>\r\nSubject: micro\r\n"
        "Message-ID: <micro@example.org>\r\nDate: Sat, 21 Nov 2026 12:00:00 +0000\r\n\r\n";
    for (std::size_t line = 0; text.size() < size; ++line) {
        if (line % 20 == 19) text += '.';  // to be stuffed
        text.append(70, static_cast<char>('a' + line % 26));
        text += "\r\n";
    }
    return text;
}

std::string stuffed(const std::string& body) {
    smtp::DotStuffer stuffer;
    std::vector<std::string_view> pieces;
    stuffer.stuff(body, pieces);
    std::string out;
    for (const auto piece : pieces) out += piece;
    return out += stuffer.end();
}

mail::Envelope envelope() {
    mail::Envelope out;
    out.id.bytes.fill(7);
    out.reverse_path = {"sender", "example.org"};
    out.arrival = base::WallTime(std::chrono::seconds(1'795'000'000));
    out.client = {"192.0.2.1", 40000, "client.example.org", true, "TLSv1.3", "TLS_AES_256_GCM_SHA384", ""};
    out.listener = "smtp [::]:25";
    out.header_message_id = "<micro@example.org>";
    out.trace_headers = std::string(240, 'R') + "\r\n";
    mail::Recipient recipient;
    recipient.address = {"someone", "example.com"};
    out.recipients.push_back(recipient);
    return out;
}

bool commands() {
    const auto mail = smtp::parse_command("MAIL FROM:<sender@example.org> SIZE=4096 BODY=8BITMIME RET=HDRS");
    const auto rcpt = smtp::parse_command("RCPT TO:<some.one@mail.example.com> NOTIFY=FAILURE,DELAY");
    const auto data = smtp::parse_command("DATA");
    return smtp::parse_mail(mail.argument) && smtp::parse_rcpt(rcpt.argument, false) &&
           data.verb == smtp::Verb::data;
}

// Drives one session from greeting on: what the transport would do, without it.
class Driver {
public:
    explicit Driver(std::size_t size)
        : wire_("MAIL FROM:<sender@example.org> BODY=8BITMIME\r\nRCPT TO:<someone@example.com>\r\nDATA\r\n" +
                stuffed(message(size))) {
        run("EHLO client.example.org\r\n");
    }
    bool transaction() { return run(wire_); }

private:
    // True: a message was committed.
    bool run(std::string_view input) {
        using Kind = smtp::ServerAction::Kind;
        bool committed = false;
        while (true) {
            if (!reading_) action_ = session_.next();
            reading_ = false;
            switch (action_.kind) {
                case Kind::read: {
                    if (input.empty()) {
                        reading_ = true;  // the next call brings what is read
                        return committed;
                    }
                    const auto space = session_.input_space();
                    const auto n = std::min(space.size(), input.size());
                    std::memcpy(space.data(), input.data(), n);
                    input.remove_prefix(n);
                    session_.on_bytes(n);
                    break;
                }
                case Kind::write: session_.on_written(); break;
                case Kind::commit:
                    committed = true;
                    session_.on_verdict({.accept = true, .reply = {250, "2.0.0", "Queued"}});
                    break;
                case Kind::discard: session_.on_discarded(); break;
                case Kind::close: return false;
                default: session_.on_verdict(smtp::Verdict::yes());
            }
        }
    }

    smtp::ServerSession session_{{.hostname = "mx.example.org"}, {.ip = "192.0.2.1", .port = 40000}};
    smtp::ServerAction action_;
    bool reading_ = false;
    std::string wire_;
};

bool replies() {
    smtp::ReplyParser parser;
    parser.add(
        "250-mx.example.net\r\n250-PIPELINING\r\n250-SIZE 52428800\r\n250-8BITMIME\r\n250-DSN\r\n"
        "250 ENHANCEDSTATUSCODES\r\n250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 Go ahead\r\n250 2.0.0 Queued as 01J\r\n");
    int count = 0;
    while (const auto reply = parser.next()) count += reply->code / 100;
    return count == 2 + 2 + 2 + 3 + 2;
}

// 64 KiB, as the sockets give it.
bool decode(const std::string& wire, std::size_t wanted) {
    constexpr std::size_t kRead = std::size_t{32} << 10;
    smtp::TextDecoder decoder(smtp::TextDecoder::Framing::data, {});
    std::size_t got = 0;
    for (std::size_t at = 0; at < wire.size(); at += kRead) {
        auto input = std::string_view(wire).substr(at, kRead);
        while (!input.empty()) {
            const auto piece = decoder.next(input);
            got += piece.body.size();
            if (piece.end) return got == wanted;
        }
    }
    return false;
}

bool stuff(const std::string& body, std::vector<std::string_view>& pieces) {
    pieces.clear();
    smtp::DotStuffer stuffer;
    stuffer.stuff(body, pieces);
    return !pieces.empty();
}

// A segment in memory.
class MemoryFile final : public base::File {
public:
    base::Result<std::size_t> read(std::uint64_t offset, std::span<char> into) const override {
        if (offset >= bytes_.size()) return 0;
        const auto n = std::min<std::uint64_t>(into.size(), bytes_.size() - offset);
        std::memcpy(into.data(), bytes_.data() + offset, n);
        return n;
    }
    base::Result<void> write(std::uint64_t offset, std::span<const std::string_view> pieces) override {
        for (const auto piece : pieces) {
            if (bytes_.size() < offset + piece.size()) bytes_.resize(offset + piece.size());
            std::memcpy(bytes_.data() + offset, piece.data(), piece.size());
            offset += piece.size();
        }
        return {};
    }
    base::Result<void> sync() override { return {}; }
    base::Result<std::uint64_t> size() const override { return bytes_.size(); }
    base::Result<base::FileStatus> status() const override { return base::FileStatus{}; }
    base::Result<void> truncate(std::uint64_t size) override {
        bytes_.resize(size);
        return {};
    }
    base::Result<void> reserve(std::uint64_t) override { return {}; }

private:
    std::string bytes_;
};

constexpr std::size_t kRecords = 10;  // a round

class LogCase {
public:
    LogCase() {
        segment_.header = {.number = 1, .generation = 77, .size = std::uint64_t{1} << 20, .created_ms = 0};
        segment_.file = std::make_shared<MemoryFile>();
        std::string head;
        spool::encode(segment_.header, head);
        (void)segment_.file->write(0, std::string_view(head));
        (void)segment_.file->truncate(segment_.header.size);
    }
    bool encode_round() {
        spool::SegmentWriter writer(std::make_shared<const spool::Segment>(segment_));
        writer.begin(1);
        for (std::size_t i = 0; i < kRecords; ++i) {
            spool::RecordHeader header;
            header.id.bytes.fill(static_cast<std::uint8_t>(i + 1));
            writer.add(header, meta_, body_, summary_);
        }
        return writer.records() == kRecords && writer.write(0, 1).has_value();
    }
    bool scan() {
        const auto found = spool::scan_segment(*segment_.file, segment_.header);
        return found && found->rounds.size() == 1 && found->rounds[0].entries.size() == kRecords;
    }

private:
    spool::Segment segment_;
    std::string meta_ = mail::encode_envelope(envelope());
    std::string body_ = message(4096);
    std::string summary_ = std::string(40, 's');
};

}  // namespace

std::vector<Case> cases() {
    const auto body = message(64 << 10);
    const auto wire = stuffed(body);
    const auto encoded = mail::encode_envelope(envelope());
    const auto log = std::make_shared<LogCase>();
    (void)log->encode_round();  // there is something to scan
    return {
        {"command parser", "MAIL, RCPT and DATA", commands},
        {"session machine", "a message of 4 KiB, pipelined",
         [driver = std::make_shared<Driver>(4096)] { return driver->transaction(); }},
        {"reply parser", "an EHLO reply and four more", replies},
        {"data decoder", "64 KiB", [wire, size = body.size()] { return decode(wire, size); }},
        {"dot stuffer", "64 KiB",
         [body, pieces = std::vector<std::string_view>()]() mutable { return stuff(body, pieces); }},
        {"log encode", "a round of ten messages of 4 KiB", [log] { return log->encode_round(); }},
        {"log scan", "a segment of 1 MiB with ten messages of 4 KiB", [log] { return log->scan(); }},
        {"envelope encode", "one envelope", [one = envelope()] { return !mail::encode_envelope(one).empty(); }},
        {"envelope decode", "one envelope", [encoded] { return mail::decode_envelope(encoded).has_value(); }},
    };
}

}  // namespace posthorn::bench
