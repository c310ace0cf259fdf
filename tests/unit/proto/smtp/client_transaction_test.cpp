#include <doctest/doctest.h>

#include "tests/unit/proto/smtp/client_scene.hpp"

using namespace posthorn;
using namespace posthorn::smtp;
using namespace posthorn::smtp::client_test;
using Kind = mail::Outcome::Kind;

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

TEST_CASE("transaction: without PIPELINING RSET can be had before the next message") {
    for (const bool refused : {false, true}) {
        ClientSession session({.hostname = "us.example", .tls = TlsPolicy::none});
        const auto envelope = to({"a@them.example"});
        const std::string message = "A: b\r\n\r\n";
        Replay replay{.script = {{"", "220 mx\r\n"},
                                 {"EHLO us.example\r\n", "250 mx\r\n"},
                                 {"MAIL FROM:<from@us.example>\r\n", "250 ok\r\n"},
                                 {"RCPT TO:<a@them.example>\r\n", "450 no\r\n"},
                                 {"RSET\r\n", refused ? "502 what\r\n" : "250 ok\r\n"},
                                 {"MAIL FROM:<from@us.example>\r\n", "250 ok\r\n"},
                                 {"RCPT TO:<a@them.example>\r\n", "450 no\r\n"}},
                      .message = message};
        REQUIRE(replay.run(session));
        CHECK_FALSE(session.must_reset());
        session.begin({&envelope, {0}, message.size(), false});
        REQUIRE(replay.run(session));
        CHECK(session.take_results()[0].outcome.kind == Kind::temporary);
        CHECK(session.must_reset());
        session.reset();
        CHECK(replay.run(session) == !refused);
        CHECK(replay.turn == 5);
        CHECK(session.reusable() == !refused);
        if (refused) continue;
        CHECK_FALSE(session.must_reset());
        session.begin({&envelope, {0}, message.size(), false});
        CHECK(replay.run(session));
        CHECK(replay.turn == 7);
    }
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
