#include <doctest/doctest.h>
#include <openssl/evp.h>

#include <algorithm>
#include <atomic>

#include "auth/impl/jwt.hpp"
#include "auth/impl/oauth_verifier.hpp"
#include "base/base64.hpp"
#include "base/log.hpp"
#include "net/http_server.hpp"
#include "tests/support/fake_resolver.hpp"
#include "tests/unit/net/real_net.hpp"

using namespace posthorn;
using namespace posthorn::auth;
using namespace std::chrono_literals;
using impl::Jwt;
using impl::KeySet;

namespace {

// RFC 8037 §A.2, §A.4
constexpr auto kEd25519 =
    R"({"keys":[{"kty":"OKP","crv":"Ed25519","kid":"e","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]})";
constexpr auto kEd25519Signed = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
constexpr auto kEd25519Signature =
    "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";

// RFC 7515 §A.3
constexpr auto kEs256 =
    R"({"keys":[{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]})";
constexpr auto kEs256Token =
    "eyJhbGciOiJFUzI1NiJ9."
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVl"
    "fQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";

base::JsonValue json(std::string_view text) { return *base::read_json(text); }
constexpr std::int64_t kNow = 1'800'000'000;
const base::WallTime kAt = base::from_ms(kNow * 1000);

std::string objection(std::string_view claims, impl::JwtRules rules = {.skew = 60s}) {
    return impl::claims_objection(json(claims), rules, kAt);
}

}  // namespace

TEST_CASE("RFC 8037 §A.4: a signature by Ed25519") {
    const auto keys = KeySet::parse(kEd25519);
    REQUIRE((keys && keys->size() == 1));
    const auto signature = *impl::base64url_decode(kEd25519Signature);
    CHECK(keys->verify("EdDSA", "e", kEd25519Signed, signature));
    CHECK(keys->verify("EdDSA", "", kEd25519Signed, signature));
    CHECK_FALSE(keys->verify("EdDSA", "x", kEd25519Signed, signature));
    CHECK_FALSE(keys->verify("ES256", "e", kEd25519Signed, signature));
    CHECK_FALSE(keys->verify("EdDSA", "e", std::string(kEd25519Signed) + "x", signature));
    auto bent = signature;
    bent[3] = static_cast<char>(bent[3] ^ 1);
    CHECK_FALSE(keys->verify("EdDSA", "e", kEd25519Signed, bent));
}

TEST_CASE("RFC 7515 §A.3: a signature by ES256") {
    const auto keys = KeySet::parse(kEs256);
    const auto token = Jwt::parse(kEs256Token);
    REQUIRE((keys && keys->size() == 1 && token));
    CHECK(token->algorithm == "ES256");
    CHECK(*token->claims["iss"].string() == "joe");
    CHECK(keys->verify("ES256", "", token->signed_text, token->signature));
    CHECK_FALSE(keys->verify("RS256", "", token->signed_text, token->signature));
    CHECK_FALSE(keys->verify("none", "", token->signed_text, ""));
    CHECK_FALSE(keys->verify("ES256", "", token->signed_text, token->signature.substr(1)));
}

TEST_CASE("what is no key, and no key of a kind we take, is left out") {
    for (
        const char* text :
        {R"({"keys":[{"kty":"oct","k":"AAAA"}]})", R"({"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]})",
         R"({"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}]})", R"({"keys":[1,"x",{}]})",
         R"({"keys":[{"kty":"OKP","crv":"Ed25519","use":"enc","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]})"}) {
        CAPTURE(text);
        const auto keys = KeySet::parse(text);
        REQUIRE(keys);
        CHECK(keys->size() == 0);
        CHECK_FALSE(keys->verify("none", "", "x", ""));
        CHECK_FALSE(keys->verify("HS256", "", "x", "y"));
    }
    CHECK_FALSE(KeySet::parse("x"));
    CHECK_FALSE(KeySet::parse("[]"));
    CHECK_FALSE(KeySet::parse(R"({"keys":{}})"));
}

TEST_CASE("what is no token is none") {
    for (const char* text : {"", ".", "..", "a.b.c", "e30.e30", "e30.W10.", "e30.e30.=", "e30.e30.AA.AA"}) {
        CAPTURE(text);
        CHECK_FALSE(Jwt::parse(text));
    }
    CHECK(Jwt::parse("e30.e30."));
    CHECK_FALSE(Jwt::parse("eyJjcml0IjpbXX0.e30."));  // {"crit":[]}
}

TEST_CASE("claims hold within their times, for us, from whom we trust") {
    CHECK(objection(R"({"exp":1800000100})").empty());
    CHECK(objection(R"({"exp":1799999950})").empty());  // within the skew
    CHECK(objection(R"({"exp":1799999940})") == "it has expired");
    CHECK(objection(R"({})") == "it does not say when it expires");
    CHECK(objection(R"({"exp":"1800000100"})") == "it does not say when it expires");
    CHECK(objection(R"({"exp":1800000100,"nbf":1800000061})") == "it does not hold yet");
    CHECK(objection(R"({"exp":1800000100,"nbf":1800000060})").empty());
    const impl::JwtRules ours{.issuer = "https://id", .audience = "mail"};
    CHECK(objection(R"({"exp":1800000100,"iss":"https://id","aud":"mail"})", ours).empty());
    CHECK(objection(R"({"exp":1800000100,"iss":"https://id","aud":["x","mail"]})", ours).empty());
    CHECK(objection(R"({"exp":1800000100,"iss":"https://ids","aud":"mail"})", ours) == "another issuer made it");
    CHECK(objection(R"({"exp":1800000100,"aud":"mail"})", ours) == "another issuer made it");
    CHECK(objection(R"({"exp":1800000100,"iss":"https://id","aud":"mails"})", ours) == "it is for somebody else");
    CHECK(objection(R"({"exp":1800000100,"iss":"https://id"})", ours) == "it is for somebody else");
}

namespace {

std::string base64url(std::string_view bytes) {
    auto out = base::base64_encode(bytes);
    std::ranges::replace(out, '+', '-');
    std::ranges::replace(out, '/', '_');
    while (out.ends_with('=')) out.pop_back();
    return out;
}

// Signed with the private key of RFC 8037 §A.1.
std::string token_of(const std::string& claims, const std::string& key_id = "e") {
    const auto secret = *impl::base64url_decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A");
    const std::string text = base64url(R"({"alg":"EdDSA","kid":")" + key_id + "\"}") + "." + base64url(claims);
    EVP_PKEY* key = EVP_PKEY_new_raw_private_key(
        EVP_PKEY_ED25519, nullptr, reinterpret_cast<const unsigned char*>(secret.data()), secret.size());
    EVP_MD_CTX* context = EVP_MD_CTX_new();
    std::string signature(64, '\0');
    std::size_t size = signature.size();
    REQUIRE(EVP_DigestSignInit(context, nullptr, nullptr, nullptr, key) == 1);
    REQUIRE(EVP_DigestSign(context, reinterpret_cast<unsigned char*>(signature.data()), &size,
                           reinterpret_cast<const unsigned char*>(text.data()), text.size()) == 1);
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
    return text + "." + base64url(signature);
}

// A small issuer: its keys at /jwks, what it knows of tokens at /introspect.
class Issuer final : public net::HttpHandler {
public:
    net::Task<net::HttpResponse> handle(net::Loop&, net::HttpRequest request) override {
        net::HttpResponse out;
        out.content_type = "application/json";
        if (broken) {
            out.status = 500;
        } else if (request.path == "/jwks") {
            ++fetches;
            out.status = request.method == "GET" ? 200 : 405;
            out.body = kEd25519;
        } else {
            const auto* who = request.field("authorization");
            const bool us = who != nullptr && *who == "Basic " + base::base64_encode("mail%20server:se%3Acret");
            out.status = us && request.method == "POST" ? 200 : 401;
            out.body = R"({"active":false})";
            if (request.body == "token=good%2Btoken&token_type_hint=access_token")
                out.body = R"({"active":true,"email":"ann@example.org","aud":"mail","iss":"https://id"})";
            if (request.body == "token=other&token_type_hint=access_token")
                out.body = R"({"active":true,"email":"ann@example.org","aud":"files","iss":"https://id"})";
        }
        co_return out;
    }
    std::atomic<bool> broken{false};
    std::atomic<int> fetches{0};
};

struct IssuerWorld {
    explicit IssuerWorld(OAuthConfig config = {}) : server(std::move(net.listener), issuer) {
        server.start(*net.loops);
        const auto base = "http://127.0.0.1:" + std::to_string(server.listener().local().port);
        config.jwks_url = base + "/jwks";
        config.introspection_url = base + "/introspect";
        config.client_id = "mail server";
        config.client_secret = "se:cret";
        config.issuer = "https://id";
        config.audience = "mail";
        config.timeout = 20s;
        verifier = std::make_unique<impl::OAuthVerifier>(config, net::HttpClient(*net.connector, resolver, nullptr),
                                                         clock);
    }
    ~IssuerWorld() { net.loops->stop(); }

    using Whose = base::Result<std::optional<std::string>>;
    static net::Task<> ask(IssuerWorld* self, std::string bearer, Whose* out) {
        *out = co_await self->verifier->verify(self->net.loop(), std::move(bearer));
    }
    Whose verify(std::string bearer) {
        Whose out = base::fail(base::ErrorKind::internal, "not asked");
        net.run(ask(this, std::move(bearer), &out));
        return out;
    }
    std::string claims(const std::string& more = {}, std::int64_t lasts = 600) const {
        const auto now = base::to_ms(clock.wall()) / 1000;
        return R"({"iss":"https://id","aud":["mail"],"email":"ann@example.org","exp":)" +
               std::to_string(now + lasts) + more + "}";
    }

    base::SystemClock clock;
    net::testing::RealNet net;
    posthorn::testing::FakeResolver resolver;
    Issuer issuer;
    net::HttpServer server;
    std::unique_ptr<impl::OAuthVerifier> verifier;
};

}  // namespace

TEST_CASE("a JWT is held against the issuer's keys, which are fetched once") {
    IssuerWorld w;
    for (int i = 0; i < 3; ++i) {
        const auto whose = w.verify(token_of(w.claims()));
        REQUIRE(whose);
        CHECK(*whose == "ann@example.org");
    }
    CHECK(w.issuer.fetches == 1);
    CHECK(*w.verify(token_of(w.claims({}, -3600))) == std::nullopt);
    for (const char* no : {"false", R"("false")", R"("")", "0", "1", "[true]"})
        CHECK(*w.verify(token_of(w.claims(R"(,"email_verified":)" + std::string(no)))) == std::nullopt);
    for (const char* yes : {"true", R"("true")"})
        CHECK(*w.verify(token_of(w.claims(R"(,"email_verified":)" + std::string(yes)))) == "ann@example.org");
    CHECK(*w.verify(token_of(R"({"iss":"https://id","aud":"mail","exp":99999999999})")) == std::nullopt);
    auto forged = token_of(w.claims());
    forged[forged.size() - 10] = forged[forged.size() - 10] == 'A' ? 'B' : 'A';
    CHECK(*w.verify(forged) == std::nullopt);
    CHECK(*w.verify(token_of(w.claims(), "unknown")) == std::nullopt);  // fetched anew once, and not at each try
    CHECK(*w.verify(token_of(w.claims(), "unknown2")) == std::nullopt);
    CHECK(w.issuer.fetches <= 2);
}

TEST_CASE("any other token is asked of the issuer") {
    IssuerWorld w;
    CHECK(*w.verify("good+token") == "ann@example.org");
    CHECK(*w.verify("bad") == std::nullopt);
    CHECK(*w.verify("other") == std::nullopt);  // for another service
    CHECK(*w.verify("") == std::nullopt);
    CHECK(w.issuer.fetches == 0);
}

TEST_CASE("an issuer that is down is a temporary failure, told once; keys that were fetched go on") {
    const base::log::Capture log;
    IssuerWorld w;
    w.issuer.broken = true;
    for (int i = 0; i < 2; ++i) {
        const auto whose = w.verify("good+token");
        REQUIRE_FALSE(whose);
        CHECK(whose.error().kind == base::ErrorKind::temporary);
    }
    REQUIRE_FALSE(w.verify(token_of(w.claims())));
    const auto text = log.text();
    const auto first = text.find("auth.backend_down");
    CHECK(first != std::string::npos);
    CHECK(text.find("auth.backend_down", first + 1) == std::string::npos);
    w.issuer.broken = false;
    CHECK(*w.verify("good+token") == "ann@example.org");
    CHECK(log.contains("auth.backend_up"));
}
