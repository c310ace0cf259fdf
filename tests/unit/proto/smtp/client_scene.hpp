// One transaction of a client session against a scripted server, from the greeting to its results.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "proto/smtp/client_session.hpp"
#include "tests/unit/proto/smtp/client_replay.hpp"

namespace posthorn::smtp::client_test {

inline constexpr const char* kAll = "PIPELINING SIZE 8BITMIME CHUNKING BINARYMIME SMTPUTF8 DSN";

inline std::string offer(std::string_view keywords) {
    std::string reply = "250-mx.example\r\n";
    while (!keywords.empty()) {
        const auto end = std::min(keywords.find(' '), keywords.size());
        auto keyword = std::string(keywords.substr(0, end));
        std::ranges::replace(keyword, '_', ' ');
        reply += "250-" + keyword + "\r\n";
        keywords.remove_prefix(std::min(end + 1, keywords.size()));
    }
    return reply + "250 HELP\r\n";
}

inline mail::Envelope to(std::vector<std::string> recipients) {
    mail::Envelope envelope;
    envelope.reverse_path = {"from", "us.example"};
    for (const auto& recipient : recipients)
        envelope.recipients.push_back({*mail::parse_address(recipient), 0, {}});
    return envelope;
}

struct Scene {
    mail::Envelope envelope = to({"a@them.example"});
    std::string offers = "PIPELINING";
    std::string message = "A: b\r\n\r\nhello\r\n";
    std::vector<Turn> script;
    bool lmtp = false;
    EightBit eight_bit = EightBit::send;
    bool utf8_header = false;
    Cut cut = Cut::none;
    std::size_t cut_at = 0;
    std::size_t piece = 1 << 16;
    std::size_t octets = 1 << 16;
};

struct Played {
    std::vector<RecipientResult> results;
    bool ready = false;
    bool reusable = false;
    std::size_t turns = 0;
};

inline Played play(const Scene& scene) {
    ClientOptions options;
    options.hostname = "us.example";
    options.tls = TlsPolicy::none;
    options.lmtp = scene.lmtp;
    options.eight_bit = scene.eight_bit;
    ClientSession session(options);
    Replay opening{.script = {{"", "220 mx\r\n"},
                              {scene.lmtp ? "LHLO us.example\r\n" : "EHLO us.example\r\n", offer(scene.offers)}},
                   .message = {}};
    REQUIRE(opening.run(session));
    Replay replay{.script = scene.script, .message = scene.message};
    replay.piece = scene.piece;
    replay.octets = scene.octets;
    replay.cut = scene.cut;
    replay.cut_at = scene.cut_at;
    ClientMessage message;
    message.envelope = &scene.envelope;
    for (std::uint32_t i = 0; i < scene.envelope.recipients.size(); ++i) message.recipients.push_back(i);
    message.size = scene.message.size();
    message.utf8_header = scene.utf8_header;
    session.begin(std::move(message));
    const bool ready = replay.run(session);
    if (scene.cut == Cut::none) CHECK(replay.turn == replay.script.size());
    CHECK(replay.written == "");
    return {session.take_results(), ready, session.reusable(), replay.turn};
}

inline std::string wire(const std::string& message) { return message + ".\r\n"; }

inline void check(const RecipientResult& result, mail::Outcome::Kind kind, std::string_view status,
                  FailureScope scope) {
    CHECK(result.outcome.kind == kind);
    CHECK(result.outcome.status == status);
    CHECK(result.scope == scope);
}

}  // namespace posthorn::smtp::client_test
