#include "tests/support/fake_provider.hpp"

#include <algorithm>

namespace posthorn::testing {
namespace {

struct Attempt final : auth::Provider::ScramAttempt {
    std::string user;
};

}  // namespace

auth::Account& FakeProvider::add(std::string_view user, std::string password) {
    const auto at = user.rfind('@');
    auto& made = users_[std::string(user)];
    made.password = std::move(password);
    made.account.name = {std::string(user.substr(0, at)), std::string(user.substr(at + 1))};
    return made.account;
}

void FakeProvider::add_token(std::string bearer, std::string_view user) { tokens_[std::move(bearer)] = user; }

void FakeProvider::set_scram(std::string_view user, auth::ScramHash hash, auth::ScramSecrets secrets) {
    users_.find(user)->second.scram[hash] = std::move(secrets);
}

auth::Login FakeProvider::answer(const std::string& user, bool right) const {
    using enum auth::Login::Verdict;
    if (forced_ != ok) return {.verdict = forced_};
    const auto found = users_.find(user);
    if (found == users_.end() || !right) return {.verdict = wrong};
    if (found->second.account.disabled) return {.verdict = disabled};
    return {.verdict = ok, .account = found->second.account};
}

net::Task<auth::Login> FakeProvider::password(net::Loop&, std::string user, std::string secret,
                                              auth::Client client) {
    clients_.push_back(std::move(client));
    const auto found = users_.find(user);
    co_return answer(user, found != users_.end() && found->second.password == secret);
}

net::Task<auth::Provider::ScramBegin> FakeProvider::scram_begin(net::Loop&, std::string user, auth::ScramHash hash,
                                                                auth::Client client) {
    clients_.push_back(std::move(client));
    ScramBegin out;
    out.verdict = forced_;
    const auto found = users_.find(user);
    if (found != users_.end() && found->second.scram.contains(hash)) {
        out.secrets = found->second.scram.at(hash);
    } else {
        out.secrets = {.salt = "a salt of nobody", .iterations = 4096, .stored_key = "x", .server_key = "x"};
    }
    auto attempt = std::make_shared<Attempt>();
    attempt->user = std::move(user);
    out.attempt = std::move(attempt);
    co_return out;
}

net::Task<auth::Login> FakeProvider::scram_end(net::Loop&, std::shared_ptr<ScramAttempt> attempt, bool proved) {
    co_return answer(static_cast<Attempt&>(*attempt).user, proved);
}

net::Task<auth::Login> FakeProvider::token(net::Loop&, std::string user, std::string bearer, auth::Client client) {
    clients_.push_back(std::move(client));
    const auto found = tokens_.find(bearer);
    if (found == tokens_.end()) co_return answer(user, false);
    co_return answer(found->second, user.empty() || user == found->second);
}

net::Task<auth::Login> FakeProvider::external(net::Loop&, std::string user, std::vector<std::string> names,
                                              auth::Client client) {
    clients_.push_back(std::move(client));
    if (user.empty() && names.size() == 1) co_return answer(names.front(), true);
    co_return answer(user, std::ranges::find(names, user) != names.end());
}

}  // namespace posthorn::testing
