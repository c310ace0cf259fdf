#include <doctest/doctest.h>

#include <algorithm>

#include "proto/smtp/client_session.hpp"
#include "tests/unit/proto/smtp/client_replay.hpp"

using namespace posthorn;
using namespace posthorn::smtp;
using namespace posthorn::smtp::client_test;
using Kind = mail::Outcome::Kind;

namespace {

constexpr const char* kAll = "PIPELINING SIZE 8BITMIME CHUNKING BINARYMIME SMTPUTF8 DSN";

std::string offer(std::string_view keywords) {
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

mail::Envelope to(std::vector<std::string> recipients) {
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

Played play(const Scene& scene) {
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

std::string wire(const std::string& message) { return message + ".\r\n"; }

void check(const RecipientResult& result, Kind kind, std::string_view status, FailureScope scope) {
    CHECK(result.outcome.kind == kind);
    CHECK(result.outcome.status == status);
    CHECK(result.scope == scope);
}

}  // namespace

TEST_CASE("transaction: pipelined, in two flights") {
    Scene scene;
    scene.envelope = to({"a@them.example", "b@them.example"});
    scene.script = {
        {"MAIL FROM:<from@us.example>\r\nRCPT TO:<a@them.example>\r\nRCPT TO:<b@them.example>\r\nDATA\r\n",
         "250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n"},
        {wire(scene.message), "250 2.0.0 queued as 7\r\n"}};
    for (const std::size_t size : {1, 2, 3, 1000}) {
        scene.piece = scene.octets = size;
        const auto played = play(scene);
        CHECK(played.reusable);
        for (const auto& result : played.results) {
            check(result, Kind::delivered, "2.0.0", FailureScope::none);
            CHECK(result.outcome.text == "queued as 7");
            CHECK_FALSE(result.dsn_passed_on);
        }
    }
}

TEST_CASE("transaction: one command at a time without PIPELINING") {
    Scene scene;
    scene.offers = "";
    scene.envelope = to({"a@them.example", "b@them.example"});
    scene.script = {{"MAIL FROM:<from@us.example>\r\n", "250 ok\r\n"},
                    {"RCPT TO:<a@them.example>\r\n", "550 5.1.1 who?\r\n"},
                    {"RCPT TO:<b@them.example>\r\n", "251 will forward\r\n"},
                    {"DATA\r\n", "354 go\r\n"},
                    {wire(scene.message), "250 ok\r\n"}};
    const auto played = play(scene);
    check(played.results[0], Kind::permanent, "5.1.1", FailureScope::recipient);
    check(played.results[1], Kind::delivered, "2.0.0", FailureScope::none);
    CHECK(played.reusable);
}

TEST_CASE("transaction: cut at every step") {
    Scene scene;
    scene.offers = "";
    scene.envelope = to({"a@them.example", "b@them.example"});
    scene.script = {{"MAIL FROM:<from@us.example>\r\n", "250 ok\r\n"},
                    {"RCPT TO:<a@them.example>\r\n", "250 ok\r\n"},
                    {"RCPT TO:<b@them.example>\r\n", "550 5.1.1 who?\r\n"},
                    {"DATA\r\n", "354 go\r\n"},
                    {wire(scene.message), "250 ok\r\n"}};
    for (const auto cut : {Cut::eof, Cut::timed_out, Cut::broken}) {
        for (std::size_t at = 0; at < scene.script.size(); ++at) {
            CAPTURE(at);
            auto cut_scene = scene;
            cut_scene.cut = cut;
            cut_scene.cut_at = at;
            // What was written before the cut is not checked: nobody read it.
            ClientSession session({.hostname = "us.example", .tls = TlsPolicy::none});
            Replay opening{.script = {{"", "220 mx\r\n"}, {"EHLO us.example\r\n", "250 mx\r\n"}}, .message = {}};
            REQUIRE(opening.run(session));
            Replay replay{.script = scene.script, .message = scene.message};
            replay.cut = cut;
            replay.cut_at = at;
            session.begin({&scene.envelope, {0, 1}, scene.message.size(), false});
            CHECK_FALSE(replay.run(session));
            const auto results = session.take_results();
            // After the last dot the message may have arrived: it must not be tried elsewhere at once.
            check(results[0], Kind::temporary, "4.4.2", at == 4 ? FailureScope::message : FailureScope::session);
            if (at <= 2) {
                check(results[1], Kind::temporary, "4.4.2", FailureScope::session);
            } else {
                check(results[1], Kind::permanent, "5.1.1", FailureScope::recipient);
            }
        }
    }
}

TEST_CASE("transaction: MAIL refused") {
    for (const char* offers : {"", "PIPELINING"}) {
        Scene scene;
        scene.offers = offers;
        const bool pipelined = scene.offers == "PIPELINING";
        scene.script = {{pipelined ? "MAIL FROM:<from@us.example>\r\nRCPT TO:<a@them.example>\r\nDATA\r\n"
                                   : "MAIL FROM:<from@us.example>\r\n",
                         pipelined ? "451 4.7.1 greylisted\r\n503 no\r\n503 no\r\n" : "451 4.7.1 greylisted\r\n"}};
        const auto played = play(scene);
        check(played.results[0], Kind::temporary, "4.7.1", FailureScope::message);
        CHECK(played.reusable);
    }
}

TEST_CASE("transaction: no recipient taken") {
    Scene scene;
    const std::string flight = "MAIL FROM:<from@us.example>\r\nRCPT TO:<a@them.example>\r\nDATA\r\n";
    scene.script = {{flight, "250 ok\r\n550 5.1.1 no\r\n554 no valid recipients\r\n"}};
    auto played = play(scene);
    check(played.results[0], Kind::permanent, "5.1.1", FailureScope::recipient);
    CHECK(played.reusable);
    // RFC 2920 §3.1: and DATA let pass.
    scene.script = {{flight, "250 ok\r\n550 5.1.1 no\r\n354 go\r\n"}, {".\r\n", "554 nobody\r\n"}};
    played = play(scene);
    check(played.results[0], Kind::permanent, "5.1.1", FailureScope::recipient);
    CHECK(played.reusable);
}

TEST_CASE("transaction: DATA or the message refused concerns those who were taken") {
    Scene scene;
    scene.envelope = to({"a@them.example", "b@them.example"});
    const std::string flight =
        "MAIL FROM:<from@us.example>\r\nRCPT TO:<a@them.example>\r\nRCPT TO:<b@them.example>\r\nDATA\r\n";
    scene.script = {{flight, "250 ok\r\n250 ok\r\n450 later\r\n451 4.3.0 no\r\n"}};
    auto played = play(scene);
    check(played.results[0], Kind::temporary, "4.3.0", FailureScope::message);
    check(played.results[1], Kind::temporary, "4.2.1", FailureScope::recipient);
    scene.script = {{flight, "250 ok\r\n250 ok\r\n450 later\r\n354 go\r\n"},
                    {wire(scene.message), "554 5.6.0 spam\r\n"}};
    played = play(scene);
    check(played.results[0], Kind::permanent, "5.6.0", FailureScope::message);
    check(played.results[1], Kind::temporary, "4.2.1", FailureScope::recipient);
    CHECK(played.reusable);
}

TEST_CASE("transaction: the next on the same connection; RSET where one was left open") {
    ClientSession session({.hostname = "us.example", .tls = TlsPolicy::none});
    const auto envelope = to({"a@them.example"});
    const std::string message = "A: b\r\n\r\n";
    Replay replay{.script = {{"", "220 mx\r\n"},
                             {"EHLO us.example\r\n", "250-mx\r\n250 PIPELINING\r\n"},
                             {"MAIL FROM:<from@us.example>\r\nRCPT TO:<a@them.example>\r\nDATA\r\n",
                              "250 ok\r\n550 no\r\n503 no\r\n"},
                             {"RSET\r\nMAIL FROM:<from@us.example>\r\nRCPT TO:<a@them.example>\r\nDATA\r\n",
                              "250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n"},
                             {wire(message), "250 ok\r\n"},
                             {"MAIL FROM:<from@us.example>\r\nRCPT TO:<a@them.example>\r\nDATA\r\n",
                              "250 ok\r\n250 ok\r\n354 go\r\n"},
                             {wire(message), "250 ok\r\n"}},
                  .message = message};
    REQUIRE(replay.run(session));
    for (const auto kind : {Kind::permanent, Kind::delivered, Kind::delivered}) {
        REQUIRE(session.reusable());
        session.begin({&envelope, {0}, message.size(), false});
        replay.given = 0;
        CHECK(replay.run(session));
        CHECK(session.take_results()[0].outcome.kind == kind);
    }
    CHECK(replay.turn == 7);
}

TEST_CASE("transaction: 421 ends the session at any time") {
    Scene scene;
    scene.offers = "";
    const std::vector<Turn> script = {{"MAIL FROM:<from@us.example>\r\n", "250 ok\r\n"},
                                      {"RCPT TO:<a@them.example>\r\n", "250 ok\r\n"},
                                      {"DATA\r\n", "354 go\r\n"},
                                      {wire(scene.message), "250 ok\r\n"}};
    for (std::size_t at = 0; at < script.size(); ++at) {
        CAPTURE(at);
        scene.script.assign(script.begin(), script.begin() + static_cast<std::ptrdiff_t>(at) + 1);
        scene.script.back().server = "421 4.3.2 going down\r\n";
        const auto played = play(scene);
        CHECK_FALSE(played.ready);
        check(played.results[0], Kind::temporary, "4.3.2", FailureScope::session);
        CHECK(played.results[0].outcome.code == 421);
    }
}

TEST_CASE("transaction: servers that lie") {
    Scene scene;
    scene.offers = "";
    const Turn mail{"MAIL FROM:<from@us.example>\r\n", "250 ok\r\n"};
    const Turn rcpt{"RCPT TO:<a@them.example>\r\n", "250 ok\r\n"};
    SUBCASE("250 where 354 is due") { scene.script = {mail, rcpt, {"DATA\r\n", "250 done already\r\n"}}; }
    SUBCASE("354 to MAIL") { scene.script = {{mail.client, "354 go\r\n"}}; }
    SUBCASE("354 to RCPT") { scene.script = {mail, {rcpt.client, "354 go\r\n"}}; }
    SUBCASE("250 before the message") { scene.script = {mail, rcpt, {"DATA\r\n", "354 go\r\n250 got it\r\n"}}; }
    SUBCASE("not a reply") { scene.script = {mail, {rcpt.client, "sure\r\n"}}; }
    const auto played = play(scene);
    CHECK_FALSE(played.ready);
    check(played.results[0], Kind::temporary, "4.5.0", FailureScope::session);
}

TEST_CASE("transaction: a refusal in the middle of the message is taken for one") {
    Scene scene;
    scene.offers = "";
    scene.script = {{"MAIL FROM:<from@us.example>\r\n", "250 ok\r\n"},
                    {"RCPT TO:<a@them.example>\r\n", "250 ok\r\n"},
                    {"DATA\r\n", "354 go\r\n552 5.3.4 too much\r\n"}};
    const auto played = play(scene);
    CHECK_FALSE(played.ready);
    check(played.results[0], Kind::permanent, "5.3.4", FailureScope::message);
}

TEST_CASE("transaction: a reply too many after the last leaves what was delivered delivered") {
    Scene scene;
    scene.script = {
        {"MAIL FROM:<from@us.example>\r\nRCPT TO:<a@them.example>\r\nDATA\r\n", "250 ok\r\n250 ok\r\n354 go\r\n"},
        {wire(scene.message), "250 ok\r\n250 ok again\r\n"}};
    const auto played = play(scene);
    check(played.results[0], Kind::delivered, "2.0.0", FailureScope::none);
    CHECK_FALSE(played.reusable);
}

TEST_CASE("transaction: the message cannot be read: it is never ended") {
    ClientSession session({.hostname = "us.example", .tls = TlsPolicy::none});
    const auto envelope = to({"a@them.example"});
    Replay replay{.script = {{"", "220 mx\r\n"},
                             {"EHLO us.example\r\n", "250 mx\r\n"},
                             {"MAIL FROM:<from@us.example>\r\n", "250 ok\r\n"},
                             {"RCPT TO:<a@them.example>\r\n", "250 ok\r\n"}},
                  .message = {}};
    REQUIRE(replay.run(session));
    session.begin({&envelope, {0}, 100, false});
    std::string last;
    for (auto action = session.next(); action.type != ClientAction::Type::body; action = session.next()) {
        if (action.type == ClientAction::Type::write) last = action.bytes;
        if (action.type == ClientAction::Type::read)
            session.on_bytes(last == "DATA\r\n" ? "354 go\r\n" : "250 ok\r\n");
    }
    session.body("half");
    session.body_failed("bad sector");
    CHECK(session.next().type == ClientAction::Type::close);
    check(session.take_results()[0], Kind::temporary, "4.3.0", FailureScope::message);
}

TEST_CASE("transaction: parameters are passed on that were offered") {
    Scene scene;
    scene.envelope = to({"a@them.example"});
    scene.envelope.body = mail::BodyType::eight_bit_mime;
    scene.envelope.ret = mail::DsnReturn::headers;
    scene.envelope.envid = "id+20";
    scene.envelope.recipients[0].notify = mail::notify::success | mail::notify::delay;
    scene.envelope.recipients[0].orcpt = "rfc822;x@y";
    const std::string size = std::to_string(scene.message.size());
    const std::string end = "250 ok\r\n250 ok\r\n354 go\r\n";
    scene.offers = kAll;
    scene.script = {{"MAIL FROM:<from@us.example> SIZE=" + size +
                         " BODY=8BITMIME RET=HDRS ENVID=id+20\r\n"
                         "RCPT TO:<a@them.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;x@y\r\nDATA\r\n",
                     end},
                    {wire(scene.message), "250 ok\r\n"}};
    CHECK(play(scene).results[0].dsn_passed_on);
    scene.offers = "PIPELINING";
    scene.script[0].client = "MAIL FROM:<from@us.example>\r\nRCPT TO:<a@them.example>\r\nDATA\r\n";
    CHECK_FALSE(play(scene).results[0].dsn_passed_on);
    scene.envelope.recipients[0].notify = mail::notify::never;
    scene.envelope.ret = mail::DsnReturn::full;
    scene.offers = "PIPELINING DSN";
    scene.script[0].client =
        "MAIL FROM:<from@us.example> RET=FULL ENVID=id+20\r\nRCPT TO:<a@them.example> NOTIFY=NEVER "
        "ORCPT=rfc822;x@y\r\n"
        "DATA\r\n";
    play(scene);
}

TEST_CASE("transaction: what cannot pass is not sent") {
    Scene scene;
    std::string status;
    SUBCASE("too large") {
        scene.offers = "SIZE_14";
        status = "5.3.4";
    }
    SUBCASE("BINARYMIME") {
        scene.envelope.body = mail::BodyType::binary_mime;
        scene.offers = "CHUNKING 8BITMIME";
        status = "5.6.1";
    }
    SUBCASE("BINARYMIME without CHUNKING") {
        scene.envelope.body = mail::BodyType::binary_mime;
        scene.offers = "BINARYMIME 8BITMIME";
        status = "5.6.1";
    }
    SUBCASE("8BITMIME where it must not be sent all the same") {
        scene.envelope.body = mail::BodyType::eight_bit_mime;
        scene.eight_bit = EightBit::bounce;
        status = "5.6.3";
    }
    SUBCASE("a sender that needs SMTPUTF8") {
        scene.envelope.reverse_path.local = "\xc3\xa9";
        scene.envelope.smtputf8 = true;
        status = "5.6.7";
    }
    SUBCASE("a header that needs SMTPUTF8") {
        scene.utf8_header = true;
        scene.envelope.smtputf8 = true;
        status = "5.6.7";
    }
    const auto played = play(scene);
    check(played.results[0], Kind::permanent, status, FailureScope::host);
    CHECK(played.reusable);
}

TEST_CASE("transaction: 8BITMIME is sent as it is where policy says so") {
    Scene scene;
    scene.envelope.body = mail::BodyType::eight_bit_mime;
    scene.script = {
        {"MAIL FROM:<from@us.example>\r\nRCPT TO:<a@them.example>\r\nDATA\r\n", "250 ok\r\n250 ok\r\n354 go\r\n"},
        {wire(scene.message), "250 ok\r\n"}};
    check(play(scene).results[0], Kind::delivered, "2.0.0", FailureScope::none);
}

TEST_CASE("transaction: SMTPUTF8") {
    Scene scene;
    scene.envelope = to({"\xc3\xa9@them.example", "b@b\xc3\xbc.example"});
    scene.envelope.smtputf8 = true;
    scene.envelope.recipients[1].orcpt = "utf-8;\xc3\xa9@x";
    scene.offers = "PIPELINING SMTPUTF8 DSN";
    scene.script = {{"MAIL FROM:<from@us.example> SMTPUTF8\r\nRCPT TO:<\xc3\xa9@them.example>\r\n"
                     "RCPT TO:<b@b\xc3\xbc.example> ORCPT=utf-8;\xc3\xa9@x\r\nDATA\r\n",
                     "250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n"},
                    {wire(scene.message), "250 ok\r\n"}};
    CHECK(play(scene).results[1].scope == FailureScope::none);
    // Without it a local part has no other form, a domain has A-labels.
    scene.offers = "PIPELINING DSN";
    scene.script = {
        {"MAIL FROM:<from@us.example>\r\nRCPT TO:<b@xn--b-eha.example> ORCPT=utf-8;\\x{E9}@x\r\nDATA\r\n",
         "250 ok\r\n250 ok\r\n354 go\r\n"},
        {wire(scene.message), "250 ok\r\n"}};
    const auto played = play(scene);
    check(played.results[0], Kind::permanent, "5.6.7", FailureScope::host);
    check(played.results[1], Kind::delivered, "2.0.0", FailureScope::none);
}

TEST_CASE("transaction: BDAT for what is binary") {
    Scene scene;
    scene.envelope.body = mail::BodyType::binary_mime;
    scene.offers = kAll;
    scene.message = std::string("A: b\r\n\r\n.\0\n.\r.", 14);
    const std::string flight =
        "MAIL FROM:<from@us.example> SIZE=14 BODY=BINARYMIME\r\nRCPT TO:<a@them.example>\r\n";
    scene.script = {{flight, "250 ok\r\n250 ok\r\n"}, {"BDAT 14 LAST\r\n" + scene.message, "250 ok\r\n"}};
    for (const std::size_t piece : {1, 5, 1000}) {
        scene.piece = piece;
        check(play(scene).results[0], Kind::delivered, "2.0.0", FailureScope::none);
    }
    scene.script = {{flight, "250 ok\r\n550 no\r\n"}};
    CHECK(play(scene).reusable);
}

TEST_CASE("transaction: BDAT in chunks for what is large, so that it can be refused early") {
    Scene scene;
    scene.offers = "PIPELINING CHUNKING";
    scene.message = std::string(kChunkSize + 3, 'x');
    const std::string flight = "MAIL FROM:<from@us.example>\r\nRCPT TO:<a@them.example>\r\n";
    const auto first = "BDAT 1048576\r\n" + scene.message.substr(0, kChunkSize);
    scene.script = {
        {flight, "250 ok\r\n250 ok\r\n"}, {first, "250 more\r\n"}, {"BDAT 3 LAST\r\nxxx", "250 ok\r\n"}};
    check(play(scene).results[0], Kind::delivered, "2.0.0", FailureScope::none);
    scene.script = {{flight, "250 ok\r\n250 ok\r\n"}, {first, "552 5.3.4 too much\r\n"}};
    const auto played = play(scene);
    check(played.results[0], Kind::permanent, "5.3.4", FailureScope::message);
    CHECK(played.reusable);
}

TEST_CASE("transaction: an empty message") {
    Scene scene;
    scene.message.clear();
    const std::string flight = "MAIL FROM:<from@us.example>\r\nRCPT TO:<a@them.example>\r\nDATA\r\n";
    scene.script = {{flight, "250 ok\r\n250 ok\r\n354 go\r\n"}, {".\r\n", "250 ok\r\n"}};
    check(play(scene).results[0], Kind::delivered, "2.0.0", FailureScope::none);
    scene.envelope.body = mail::BodyType::binary_mime;
    scene.offers = "CHUNKING BINARYMIME PIPELINING";
    scene.script = {
        {"MAIL FROM:<from@us.example> BODY=BINARYMIME\r\nRCPT TO:<a@them.example>\r\n", "250 ok\r\n250 ok\r\n"},
        {"BDAT 0 LAST\r\n", "250 ok\r\n"}};
    check(play(scene).results[0], Kind::delivered, "2.0.0", FailureScope::none);
}

TEST_CASE("transaction: many recipients go in windows, and one too many is known for it") {
    Scene scene;
    std::vector<std::string> names;
    for (int i = 0; i < 100; ++i) names.push_back("r" + std::to_string(i) + "@them.example");
    scene.envelope = to(names);
    std::string first = "MAIL FROM:<from@us.example>\r\n";
    std::string second;
    for (int i = 0; i < 63; ++i) first += "RCPT TO:<" + names[static_cast<std::size_t>(i)] + ">\r\n";
    for (int i = 63; i < 100; ++i) second += "RCPT TO:<" + names[static_cast<std::size_t>(i)] + ">\r\n";
    std::string taken;
    std::string refused;
    for (int i = 0; i < 64; ++i) taken += "250 ok\r\n";
    for (int i = 0; i < 36; ++i) refused += i % 2 == 0 ? "452 4.5.3 too many\r\n" : "552 5.5.3 too many\r\n";
    scene.script = {{first, taken},
                    {second + "DATA\r\n", refused + "250 ok\r\n354 go\r\n"},
                    {wire(scene.message), "250 ok\r\n"}};
    const auto played = play(scene);
    CHECK(played.results[62].scope == FailureScope::none);
    for (std::size_t i = 63; i < 99; ++i) {
        CHECK(played.results[i].one_too_many);
        CHECK(played.results[i].outcome.kind == Kind::temporary);
    }
    CHECK(played.results[99].scope == FailureScope::none);
}

TEST_CASE("transaction: 452 to the first is no matter of number") {
    Scene scene;
    scene.offers = "";
    scene.script = {{"MAIL FROM:<from@us.example>\r\n", "250 ok\r\n"},
                    {"RCPT TO:<a@them.example>\r\n", "452 full\r\n"}};
    CHECK_FALSE(play(scene).results[0].one_too_many);
}

TEST_CASE("transaction: LIMITS") {
    ClientSession session({.hostname = "us.example", .tls = TlsPolicy::none});
    const auto envelope = to({"a@them.example"});
    Replay replay{.script = {{"", "220 mx\r\n"},
                             {"EHLO us.example\r\n", "250-mx\r\n250 LIMITS RCPTMAX=3 MAILMAX=1\r\n"},
                             {"MAIL FROM:<from@us.example>\r\n", "450 no\r\n"}},
                  .message = {}};
    REQUIRE(replay.run(session));
    CHECK(session.max_recipients() == 3);
    session.begin({&envelope, {0}, 0, false});
    CHECK(replay.run(session));
    CHECK_FALSE(session.reusable());
}

TEST_CASE("transaction: LMTP answers for each recipient") {
    Scene scene;
    scene.lmtp = true;
    scene.envelope = to({"a@them.example", "b@them.example", "c@them.example"});
    scene.script = {{"MAIL FROM:<from@us.example>\r\nRCPT TO:<a@them.example>\r\nRCPT TO:<b@them.example>\r\n"
                     "RCPT TO:<c@them.example>\r\n",
                     "250 ok\r\n250 ok\r\n550 5.1.1 no\r\n250 ok\r\n"},
                    {"DATA\r\n", "354 go\r\n"},
                    {wire(scene.message), "250 2.1.5 in\r\n452 4.2.2 full\r\n"}};
    const auto played = play(scene);
    check(played.results[0], Kind::delivered, "2.1.5", FailureScope::none);
    check(played.results[1], Kind::permanent, "5.1.1", FailureScope::recipient);
    check(played.results[2], Kind::temporary, "4.2.2", FailureScope::recipient);
    CHECK(played.reusable);
}
