#include <stdexcept>

#include "steps.hpp"

using namespace posthorn::sasl;
using namespace posthorn::sasl::test;
using namespace std::string_literals;

TEST_CASE("PLAIN: the example of RFC 4616, at once or when asked") {
    const auto message = "\0tim\0tanstaaftanstaaf"s;
    for (const bool at_once : {true, false}) {
        const auto server = make_server(Mechanism::plain, {});
        auto step = at_once ? server->start(message) : server->start(std::nullopt);
        if (!at_once) {
            CHECK(as<Challenge>(step).bytes.empty());
            step = server->respond(message);
        }
        CHECK(as<NeedPassword>(step).user == "tim");
        CHECK(as<NeedPassword>(step).password == "tanstaaftanstaaf");
        CHECK(done(server->grant()));
    }
}

TEST_CASE("PLAIN: nobody acts for another") {
    CHECK(refused(make_server(Mechanism::plain, {})->start("Ursel\0Kurt\0xipj3plmq"s)));
    const auto self = make_server(Mechanism::plain, {})->start("kurt\0Kurt\0xipj3plmq"s);
    CHECK(as<NeedPassword>(self).user == "Kurt");
}

TEST_CASE("PLAIN: what is none") {
    const std::string huge(kMaxSecret + 1, 'x');
    for (const auto& message :
         {""s, "tim"s, "\0tim"s, "\0\0secret"s, "\0tim\0"s, "\0tim\0a\0b"s, "\0t\xff\0x"s, "\0tim\0" + huge,
          "\0"s + std::string(kMaxName + 1, 'u') + "\0x"s, "\xff\0tim\0x"s}) {
        CHECK(malformed(make_server(Mechanism::plain, {})->start(message)));
    }
}

TEST_CASE("a refused password fails") {
    const auto server = make_server(Mechanism::plain, {});
    server->start("\0tim\0x"s);
    CHECK(refused(server->deny()));
}

TEST_CASE("LOGIN asks twice, or once when the name came with the command") {
    const auto server = make_server(Mechanism::login, {});
    CHECK(as<Challenge>(server->start(std::nullopt)).bytes == "Username:");
    CHECK(as<Challenge>(server->respond("tim")).bytes == "Password:");
    const auto step = server->respond("secret");
    CHECK(as<NeedPassword>(step).user == "tim");
    CHECK(as<NeedPassword>(step).password == "secret");
    CHECK(done(server->grant()));

    const auto other = make_server(Mechanism::login, {});
    CHECK(as<Challenge>(other->start("tim")).bytes == "Password:");
    CHECK(malformed(other->respond("")));
    CHECK(malformed(make_server(Mechanism::login, {})->start("")));
}

TEST_CASE("EXTERNAL takes a name, or none") {
    CHECK(as<NeedExternal>(make_server(Mechanism::external, {})->start("")).user.empty());
    const auto server = make_server(Mechanism::external, {});
    server->start(std::nullopt);
    CHECK(as<NeedExternal>(server->respond("fred@example.com")).user == "fred@example.com");
    CHECK(done(server->grant()));
    CHECK(malformed(make_server(Mechanism::external, {})->start("a\0b"s)));
}

TEST_CASE("OAUTHBEARER: the example of RFC 7628") {
    const auto message =
        "n,a=user@example.com,\1host=server.example.com\1port=143\1auth=Bearer "
        "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29t"
        "Cg==\1\1"s;
    const auto server = make_server(Mechanism::oauthbearer, {});
    const auto step = server->start(message);
    CHECK(as<NeedToken>(step).user == "user@example.com");
    CHECK(as<NeedToken>(step).token == "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==");
    CHECK(done(server->grant()));
}

TEST_CASE("OAUTHBEARER: a refusal is told, answered, and only then a failure") {
    const auto server = make_server(Mechanism::oauthbearer, {.token_scope = "mail \"x\""});
    const auto step = server->start("n,,\1auth=bearer abc\1\1"s);
    CHECK(as<NeedToken>(step).user.empty());
    CHECK(as<NeedToken>(step).token == "abc");
    CHECK(as<Challenge>(server->deny()).bytes == R"({"status":"invalid_token","scope":"mail \"x\""})");
    CHECK(refused(server->respond("\1")));
}

TEST_CASE("OAUTHBEARER: a name with escapes; what is none") {
    const auto step = make_server(Mechanism::oauthbearer, {})->start("y,a=a=2Cb=3Dc,\1auth=Bearer x\1\1"s);
    CHECK(as<NeedToken>(step).user == "a,b=c");
    for (const auto& message :
         {""s, "n,,"s, "n,a=x"s, "n,b=x,\1auth=Bearer x\1\1"s, "p=tls-unique,,\1auth=Bearer x\1\1"s,
          "n,,auth=Bearer x\1\1"s, "n,,\1auth=Bearer x\1"s, "n,,\1auth=Bearer x\1\1x"s, "n,,\1auth=Basic x\1\1"s,
          "n,,\1auth=Bearer \1\1"s, "n,,\1auth=Bearer a b\1\1"s, "n,,\1auth=Bearer a\1auth=Bearer a\1\1"s,
          "n,,\1host=x\1\1"s, "n,,\1=x\1auth=Bearer a\1\1"s, "n,a==2X,\1auth=Bearer a\1\1"s, "n,,\1\1"s}) {
        CHECK(malformed(make_server(Mechanism::oauthbearer, {})->start(message)));
    }
}

TEST_CASE("XOAUTH2: user and token, a refusal in two steps") {
    const auto server = make_server(Mechanism::xoauth2, {});
    const auto step = server->start("user=someuser@example.com\1auth=Bearer ya29.vF9dft4qmTc2Nvb3Rl\1\1"s);
    CHECK(as<NeedToken>(step).user == "someuser@example.com");
    CHECK(as<NeedToken>(step).token == "ya29.vF9dft4qmTc2Nvb3Rl");
    CHECK(as<Challenge>(server->deny()).bytes == R"({"status":"401","schemes":"bearer"})");
    CHECK(refused(server->respond("")));
    for (const auto& message : {""s, "user=\1auth=Bearer x\1\1"s, "auth=Bearer x\1\1"s, "user=u\1\1"s}) {
        CHECK(malformed(make_server(Mechanism::xoauth2, {})->start(message)));
    }
}

TEST_CASE("a call out of turn is our own fault") {
    const auto server = make_server(Mechanism::plain, {});
    CHECK_THROWS_AS(server->grant(), std::logic_error);
    const auto other = make_server(Mechanism::plain, {});
    other->start("\0tim\0x"s);
    CHECK_THROWS_AS(other->respond("x"), std::logic_error);
    const auto third = make_server(Mechanism::plain, {});
    third->start("\0tim\0x"s);
    CHECK_THROWS_AS(third->secret({}), std::logic_error);
}

TEST_CASE("wiping leaves nothing") {
    std::string secret = "a secret that is longer than what a string holds inside itself";
    const char* const at = secret.data();
    const auto size = secret.size();
    wipe(secret);
    CHECK(secret.empty());
    CHECK(std::string(at, size).find_first_not_of('\0') == std::string::npos);
}
