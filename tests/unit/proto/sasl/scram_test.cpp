// Our SCRAM server against libgsasl as the client, and against what a client should never say. The server's nonce is
// libgsasl's own, so the vectors of RFC 5802 and 7677 stand as their keys: a client that knows only their password
// gets in with the keys that their salt and iterations give.
#include <gsasl.h>

#include <functional>
#include <memory>
#include <stdexcept>

#include "base/base64.hpp"
#include "steps.hpp"

using namespace posthorn::sasl;
using namespace posthorn::sasl::test;
using posthorn::base::base64_decode;
using posthorn::base::base64_encode;

namespace {

// RFC 7677 §3: user "user", password "pencil"; keys computed from its salt and iterations.
ScramSecret sha_256_secret() {
    return {.salt = *base64_decode("W22ZaJ0SNY7soEsUEjb6gQ=="),
            .iterations = 4096,
            .stored_key = *base64_decode("WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY="),
            .server_key = *base64_decode("wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=")};
}

// RFC 5802 §5, the same user and password.
ScramSecret sha_1_secret() {
    return {.salt = *base64_decode("QSXCR+Q6sek8bf92"),
            .iterations = 4096,
            .stored_key = *base64_decode("6dlGYMOdZcOPutkcNY8U2g7vK9Y="),
            .server_key = *base64_decode("D+CSWLOshSulAsxiupA+qs2/fTE=")};
}

class Client {
public:
    Client(const char* mechanism, const char* user, const char* password, const std::string& exporter = {}) {
        REQUIRE(gsasl_init(&context_) == GSASL_OK);
        REQUIRE(gsasl_client_start(context_, mechanism, &session_) == GSASL_OK);
        gsasl_property_set(session_, GSASL_AUTHID, user);
        gsasl_property_set(session_, GSASL_PASSWORD, password);
        if (!exporter.empty()) gsasl_property_set(session_, GSASL_CB_TLS_EXPORTER, base64_encode(exporter).c_str());
    }
    ~Client() {
        gsasl_finish(session_);
        gsasl_done(context_);
    }
    Client(const Client&) = delete;

    std::string answer(const std::string& challenge) {
        char* out = nullptr;
        std::size_t size = 0;
        result = gsasl_step(session_, challenge.data(), challenge.size(), &out, &size);
        std::string bytes = out != nullptr ? std::string(out, size) : std::string();
        gsasl_free(out);
        return bytes;
    }

    int result = GSASL_OK;

private:
    Gsasl* context_ = nullptr;
    Gsasl_session* session_ = nullptr;
};

// Plays the exchange to its end; what the server finds true goes through `verdict`.
Step play(Server& server, Client& client, ScramSecret secret, std::string* user = nullptr) {
    const auto first = server.start(client.answer(""));
    if (!std::holds_alternative<NeedSecret>(first)) return first;
    if (user != nullptr) *user = as<NeedSecret>(first).user;
    const auto server_first = server.secret(std::move(secret));
    if (!std::holds_alternative<Challenge>(server_first)) return server_first;
    const auto proof = server.respond(client.answer(as<Challenge>(server_first).bytes));
    if (!std::holds_alternative<NeedVerdict>(proof)) return proof;
    if (!as<NeedVerdict>(proof).proved) return server.deny();
    const auto last = server.grant();
    CHECK(client.answer(as<Challenge>(last).bytes).empty());
    CHECK(client.result == GSASL_OK);  // it believes the server's signature, too
    return server.respond("");
}

}  // namespace

TEST_CASE("SCRAM-SHA-256 with the user of RFC 7677") {
    const auto server = make_server(Mechanism::scram_sha_256, {});
    Client client("SCRAM-SHA-256", "user", "pencil");
    std::string user;
    CHECK(done(play(*server, client, sha_256_secret(), &user)));
    CHECK(user == "user");
}

TEST_CASE("SCRAM-SHA-1 with the user of RFC 5802") {
    const auto server = make_server(Mechanism::scram_sha_1, {});
    Client client("SCRAM-SHA-1", "user", "pencil");
    CHECK(done(play(*server, client, sha_1_secret())));
}

TEST_CASE("SCRAM: a wrong password proves nothing, and the last word is not said") {
    const auto server = make_server(Mechanism::scram_sha_256, {});
    Client client("SCRAM-SHA-256", "user", "pencils");
    CHECK(refused(play(*server, client, sha_256_secret())));
}

TEST_CASE("SCRAM: granting what was not proved grants nothing") {
    const auto server = make_server(Mechanism::scram_sha_256, {});
    Client client("SCRAM-SHA-256", "user", "pencils");
    server->start(client.answer(""));
    const auto challenge = server->secret(sha_256_secret());
    CHECK_FALSE(as<NeedVerdict>(server->respond(client.answer(as<Challenge>(challenge).bytes))).proved);
    CHECK(refused(server->grant()));
}

TEST_CASE("SCRAM: a right proof can still be denied") {
    const auto server = make_server(Mechanism::scram_sha_256, {});
    Client client("SCRAM-SHA-256", "user", "pencil");
    server->start(client.answer(""));
    const auto challenge = server->secret(sha_256_secret());
    CHECK(as<NeedVerdict>(server->respond(client.answer(as<Challenge>(challenge).bytes))).proved);
    CHECK(refused(server->deny()));
}

TEST_CASE("SCRAM: the server's first message carries the secret's salt and iterations") {
    const auto server = make_server(Mechanism::scram_sha_256, {});
    CHECK(as<Challenge>(server->start(std::nullopt)).bytes.empty());
    const auto need = server->respond("n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
    CHECK(as<NeedSecret>(need).hash == ScramHash::sha_256);
    const auto step = server->secret(sha_256_secret());
    const auto& bytes = as<Challenge>(step).bytes;
    CHECK(bytes.starts_with("r=rOprNGfwEbeRWgbNEkqO"));
    CHECK(bytes.ends_with(",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"));
}

TEST_CASE("SCRAM-SHA-256-PLUS: bound to the channel by tls-exporter") {
    const std::string channel(32, '\x5a');
    const ServerContext context{.tls_exporter = channel, .plus_offered = true};
    const auto server = make_server(Mechanism::scram_sha_256_plus, context);
    Client client("SCRAM-SHA-256-PLUS", "user", "pencil", channel);
    CHECK(done(play(*server, client, sha_256_secret())));

    // Somebody sits between two channels.
    const auto other = make_server(Mechanism::scram_sha_256_plus, context);
    Client far("SCRAM-SHA-256-PLUS", "user", "pencil", std::string(32, '\x5b'));
    CHECK(refused(play(*other, far, sha_256_secret())));
}

TEST_CASE("SCRAM: bindings that do not belong here") {
    const std::string channel(32, '\x5a');
    const auto start = [&](Mechanism mechanism, bool plus_offered, const char* message) {
        return make_server(mechanism, {.tls_exporter = channel, .plus_offered = plus_offered})->start(message);
    };
    // "y": it would have bound, had we offered it; we have, so somebody cut that out.
    CHECK(refused(start(Mechanism::scram_sha_256, true, "y,,n=user,r=abc")));
    CHECK(std::holds_alternative<NeedSecret>(start(Mechanism::scram_sha_256, false, "y,,n=user,r=abc")));
    CHECK(refused(start(Mechanism::scram_sha_256, true, "p=tls-exporter,,n=user,r=abc")));
    CHECK(refused(start(Mechanism::scram_sha_256_plus, true, "n,,n=user,r=abc")));
    CHECK(refused(start(Mechanism::scram_sha_256_plus, true, "p=tls-unique,,n=user,r=abc")));
    CHECK(refused(make_server(Mechanism::scram_sha_256_plus, {})->start("p=tls-exporter,,n=user,r=abc")));
}

TEST_CASE("SCRAM: names, and acting for another") {
    const auto name_of = [](const char* message) {
        const auto step = make_server(Mechanism::scram_sha_256, {})->start(message);
        const auto* need = std::get_if<NeedSecret>(&step);
        return need != nullptr ? need->user : std::string("?");
    };
    CHECK(name_of("n,,n=a=2Cb=3Dc,r=x") == "a,b=c");
    CHECK(name_of("n,a=user,n=User,r=x") == "User");
    CHECK(refused(make_server(Mechanism::scram_sha_256, {})->start("n,a=other,n=user,r=x")));
}

TEST_CASE("SCRAM: what is none") {
    for (const char* message :
         {"", "n", "n,,", "n,,n=user", "n,,n=,r=x", "n,,r=x,n=user", "n,,m=x,n=user,r=x", "z,,n=user,r=x",
          "p=,,n=user,r=x", "n,x=y,n=user,r=x", "n,,n=a=2,r=x", "n,,n=\xff,r=x", "n,a==,n=user,r=x"}) {
        CAPTURE(message);
        CHECK(malformed(make_server(Mechanism::scram_sha_256, {})->start(message)));
    }
}

TEST_CASE("SCRAM: a proof that is cut or twisted proves nothing") {
    const auto twist = [](std::string text, int how) {
        if (how == 0) return std::string();
        if (how == 1) return text.substr(0, text.size() / 2);
        if (how == 2) return text + ",x=y";
        if (!text.empty()) text[text.size() - 3] ^= 1;
        return text;
    };
    for (int how = 0; how < 4; ++how) {
        const auto server = make_server(Mechanism::scram_sha_256, {});
        Client client("SCRAM-SHA-256", "user", "pencil");
        server->start(client.answer(""));
        const auto challenge = server->secret(sha_256_secret());
        const auto end = server->respond(twist(client.answer(as<Challenge>(challenge).bytes), how));
        if (std::holds_alternative<NeedVerdict>(end)) {
            CHECK_FALSE(as<NeedVerdict>(end).proved);
            CHECK(refused(server->grant()));
        } else {
            CHECK(malformed(end));
        }
    }
}

TEST_CASE("SCRAM: the client has nothing more to say after our last word") {
    const auto server = make_server(Mechanism::scram_sha_256, {});
    Client client("SCRAM-SHA-256", "user", "pencil");
    server->start(client.answer(""));
    const auto challenge = server->secret(sha_256_secret());
    server->respond(client.answer(as<Challenge>(challenge).bytes));
    server->grant();
    CHECK(malformed(server->respond("x")));
    CHECK_THROWS_AS(server->respond(""), std::logic_error);
}
