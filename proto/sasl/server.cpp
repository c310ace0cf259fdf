#include "proto/sasl/server.hpp"

#include <cstring>
#include <stdexcept>

#include "base/utf8.hpp"
#include "proto/sasl/simple.hpp"

namespace posthorn::sasl {

bool sound_name(std::string_view name) {
    return !name.empty() && name.size() <= kMaxName && !name.contains('\0') && base::valid_utf8(name);
}

bool sound_secret(std::string_view secret) {
    return !secret.empty() && secret.size() <= kMaxSecret && !secret.contains('\0') && base::valid_utf8(secret);
}

bool decode_saslname(std::string_view text, std::string& out) {
    for (std::size_t at = 0; at < text.size(); ++at) {
        const auto escape = text.substr(at, 3);
        if (text[at] != '=') {
            out += text[at];
            continue;
        }
        if (escape != "=2C" && escape != "=3D") return false;
        out += escape == "=2C" ? ',' : '=';
        at += 2;
    }
    return true;
}

void wipe(std::string& text) {
    ::explicit_bzero(text.data(), text.size());
    text.clear();
}

Step Server::secret(ScramSecret) { throw std::logic_error("sasl: a secret nobody asked for"); }

void SimpleServer::expect(Turn turn) {
    if (turn_ != turn) throw std::logic_error("sasl: not its turn");
    turn_ = Turn::over;
}

Step SimpleServer::after(Step step) {
    if (std::holds_alternative<Challenge>(step)) {
        turn_ = Turn::response;
    } else if (!std::holds_alternative<Done>(step) && !std::holds_alternative<Failed>(step)) {
        turn_ = Turn::lookup;
    }
    return step;
}

Step SimpleServer::start(std::optional<std::string_view> initial) {
    expect(Turn::start);
    return after(initial ? on_response(*initial) : Step(Challenge{first_challenge()}));
}

Step SimpleServer::respond(std::string_view response) {
    expect(Turn::response);
    return after(on_response(response));
}

Step SimpleServer::grant() {
    expect(Turn::lookup);
    return Done{};
}

Step SimpleServer::deny() {
    expect(Turn::lookup);
    return after(on_denied());
}

std::unique_ptr<Server> make_server(Mechanism mechanism, ServerContext context) {
    switch (mechanism) {
        case Mechanism::plain: return make_plain();
        case Mechanism::login: return make_login();
        case Mechanism::external: return make_external();
        case Mechanism::oauthbearer: return make_oauthbearer(std::move(context.token_scope));
        case Mechanism::xoauth2: return make_xoauth2();
        case Mechanism::scram_sha_1:
        case Mechanism::scram_sha_256:
        case Mechanism::scram_sha_256_plus: return make_scram(mechanism, std::move(context));
    }
    throw std::logic_error("sasl: no such mechanism");
}

}  // namespace posthorn::sasl
