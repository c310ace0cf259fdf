#include "auth/sasl.hpp"

#include <utility>

namespace posthorn::auth {
namespace {

sasl::LoginVerdict verdict_of(Login::Verdict verdict) {
    switch (verdict) {
        case Login::Verdict::ok: return sasl::LoginVerdict::ok;
        case Login::Verdict::wrong: return sasl::LoginVerdict::wrong;
        case Login::Verdict::disabled: return sasl::LoginVerdict::disabled;
        case Login::Verdict::throttled: return sasl::LoginVerdict::throttled;
        case Login::Verdict::unavailable: break;
    }
    return sasl::LoginVerdict::unavailable;
}

SaslAnswer answer_of(Login login) {
    return {.verdict = verdict_of(login.verdict), .secret = {}, .account = std::move(login.account)};
}

}  // namespace

std::vector<sasl::Mechanism> mechanisms_of(const Mechanisms& served) {
    using sasl::Mechanism;
    std::vector<Mechanism> out;
    const auto add = [&out](bool wanted, std::initializer_list<Mechanism> mechanisms) {
        if (wanted) out.insert(out.end(), mechanisms);
    };
    add(served.scram_sha_256, {Mechanism::scram_sha_256_plus, Mechanism::scram_sha_256});
    add(served.scram_sha_1, {Mechanism::scram_sha_1});
    add(served.external, {Mechanism::external});
    add(served.token, {Mechanism::oauthbearer, Mechanism::xoauth2});
    add(served.password, {Mechanism::plain, Mechanism::login});
    return out;
}

// The provider counts, delays and tells; it alone decides how late a refusal comes.
net::Task<SaslAnswer> SaslLookup::ask(Provider& provider, net::Loop& loop, sasl::Step need, Client client,
                                      std::vector<std::string> names) {
    if (auto* password = std::get_if<sasl::NeedPassword>(&need)) {
        co_return answer_of(co_await provider.password(loop, std::move(password->user),
                                                       std::move(password->password), std::move(client)));
    }
    if (auto* token = std::get_if<sasl::NeedToken>(&need)) {
        co_return answer_of(
            co_await provider.token(loop, std::move(token->user), std::move(token->token), std::move(client)));
    }
    if (auto* external = std::get_if<sasl::NeedExternal>(&need)) {
        co_return answer_of(
            co_await provider.external(loop, std::move(external->user), std::move(names), std::move(client)));
    }
    if (const auto* proof = std::get_if<sasl::NeedVerdict>(&need))
        co_return answer_of(co_await provider.scram_end(loop, std::move(attempt_), proof->proved));
    auto* secret = std::get_if<sasl::NeedSecret>(&need);
    if (secret == nullptr) throw std::logic_error("sasl: a step that needs nothing");
    const auto hash = secret->hash == sasl::ScramHash::sha_1 ? ScramHash::sha_1 : ScramHash::sha_256;
    auto begun = co_await provider.scram_begin(loop, std::move(secret->user), hash, std::move(client));
    SaslAnswer answer;
    answer.verdict = verdict_of(begun.verdict);
    if (begun.verdict != Login::Verdict::ok) co_return answer;
    attempt_ = std::move(begun.attempt);
    answer.secret = sasl::ScramSecret{.salt = std::move(begun.secrets.salt),
                                      .iterations = begun.secrets.iterations,
                                      .stored_key = std::move(begun.secrets.stored_key),
                                      .server_key = std::move(begun.secrets.server_key)};
    co_return answer;
}

}  // namespace posthorn::auth
