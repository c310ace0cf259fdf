// What a message asks of the next hop: parameters, 8-bit and UTF-8 content, BDAT.
#include <doctest/doctest.h>

#include "tests/unit/proto/smtp/client_scene.hpp"

using namespace posthorn;
using namespace posthorn::smtp;
using namespace posthorn::smtp::client_test;
using Kind = mail::Outcome::Kind;

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
