// OAUTHBEARER (RFC 7628) and XOAUTH2: a bearer token that somebody else issued.
//
// Both refuse in two steps: a challenge that says why, the client's answer to it, and only then the failure.
#include <utility>

#include "base/ascii.hpp"
#include "base/json.hpp"
#include "proto/sasl/simple.hpp"

namespace posthorn::sasl {
namespace {

constexpr char kSeparator = '\x01';

// The value of `key` among "key=value^A" pairs up to a final ^A; false: they are not such pairs, or it stands twice.
bool find_pair(std::string_view pairs, std::string_view key, std::string_view& value) {
    bool found = false;
    while (!pairs.empty() && pairs.front() != kSeparator) {
        const auto end = pairs.find(kSeparator);
        const auto pair = pairs.substr(0, end);
        const auto equals = pair.find('=');
        if (end == std::string_view::npos || equals == std::string_view::npos || equals == 0) return false;
        if (base::iequals(pair.substr(0, equals), key)) {
            if (std::exchange(found, true)) return false;
            value = pair.substr(equals + 1);
        }
        pairs.remove_prefix(end + 1);
    }
    return found && pairs.size() == 1;
}

// RFC 6750 §2.1: b64token, behind "Bearer" and blanks.
std::string_view bearer(std::string_view value) {
    constexpr std::string_view scheme = "Bearer ";
    if (!base::istarts_with(value, scheme)) return {};
    value.remove_prefix(scheme.size());
    while (value.starts_with(' ')) value.remove_prefix(1);
    for (const char c : value) {
        if (!base::is_alnum(c) && !std::string_view("-._~+/=").contains(c)) return {};
    }
    return value;
}

class Token : public SimpleServer {
protected:
    Step need(std::string_view user, std::string_view pairs) {
        std::string_view auth;
        if (!user.empty() && !sound_name(user)) return malformed();
        if (!find_pair(pairs, "auth", auth)) return malformed();
        const auto token = bearer(auth);
        if (!sound_secret(token)) return malformed();
        return NeedToken{std::string(user), std::string(token)};
    }
    bool told() const { return told_; }
    Step tell(std::string why) {
        told_ = true;
        return Challenge{std::move(why)};
    }

private:
    bool told_ = false;  // of the failure; whatever the client answers ends it
};

// "n,a=user@example.com,^Ahost=...^Aport=...^Aauth=Bearer ...^A^A"
class OauthBearer final : public Token {
public:
    explicit OauthBearer(std::string scope) : scope_(std::move(scope)) {}

private:
    Step on_response(std::string_view response) override {
        if (told()) return refused();
        // RFC 7628 §3.1: a gs2-header; "p" would be channel binding, which this mechanism has none of.
        if (!response.starts_with("n,") && !response.starts_with("y,")) return malformed();
        response.remove_prefix(2);
        const auto comma = response.find(',');
        if (comma == std::string_view::npos) return malformed();
        const auto authzid = response.substr(0, comma);
        response.remove_prefix(comma + 1);
        if (!authzid.empty() && !authzid.starts_with("a=")) return malformed();
        std::string user;
        if (!authzid.empty() && !decode_saslname(authzid.substr(2), user)) return malformed();
        if (!response.starts_with(kSeparator)) return malformed();
        return need(user, response.substr(1));
    }

    // RFC 7628 §3.2.2
    Step on_denied() override {
        std::string why = R"({"status":"invalid_token")";
        if (!scope_.empty()) {
            why += R"(,"scope":)";
            base::append_json_string(why, scope_);
        }
        return tell(why + "}");
    }

    std::string scope_;
};

// "user=someuser@example.com^Aauth=Bearer ...^A^A"
class Xoauth2 final : public Token {
    Step on_response(std::string_view response) override {
        if (told()) return refused();
        std::string_view user;
        if (!find_pair(response, "user", user) || user.empty()) return malformed();
        return need(user, response);
    }

    Step on_denied() override { return tell(R"({"status":"401","schemes":"bearer"})"); }
};

}  // namespace

std::unique_ptr<Server> make_oauthbearer(std::string scope) {
    return std::make_unique<OauthBearer>(std::move(scope));
}
std::unique_ptr<Server> make_xoauth2() { return std::make_unique<Xoauth2>(); }

}  // namespace posthorn::sasl
