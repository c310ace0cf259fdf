// Who a session's client is, and what it may send: logins, the sender's address, the account's limits.
#include "mta/session.hpp"

namespace posthorn::mta {
namespace {

using Answer = smtp::AuthAnswer;

smtp::ServerReply reply_of(auth::Login::Verdict verdict) {
    using Verdict = auth::Login::Verdict;
    switch (verdict) {
        case Verdict::disabled: return {535, "5.7.13", "This account is disabled"};
        case Verdict::throttled: return {454, "4.7.0", "Too many failed logins, try again later"};
        case Verdict::unavailable: return {454, "4.7.0", "Logins cannot be checked now, try again later"};
        default: return {535, "5.7.8", "Authentication credentials invalid"};
    }
}

// A refusal goes through its mechanism; what was not checked ends the exchange.
Answer::Kind kind_of(auth::Login::Verdict verdict) {
    using Verdict = auth::Login::Verdict;
    switch (verdict) {
        case Verdict::ok: return Answer::Kind::granted;
        case Verdict::throttled: return Answer::Kind::throttled;
        case Verdict::unavailable: return Answer::Kind::failed;
        default: return Answer::Kind::denied;
    }
}

Answer answer_of(const auth::Login& login) {
    if (login.verdict == auth::Login::Verdict::ok)
        return {.kind = Answer::Kind::granted, .user = login.account.name.text()};
    return {.kind = kind_of(login.verdict), .reply = reply_of(login.verdict)};
}

policy::SendingLimits limits_of(const auth::Account& account, const SubmissionConfig& defaults) {
    const auto or_default = [](std::uint32_t own, std::uint32_t other) { return own != 0 ? own : other; };
    return {.messages_per_hour = or_default(account.send.messages_per_hour, defaults.messages_per_hour),
            .recipients_per_day = or_default(account.send.recipients_per_day, defaults.recipients_per_day)};
}

smtp::ServerReply reply_of(policy::SendingDecision decision) {
    if (decision == policy::SendingDecision::too_many_messages)
        return {450, "4.7.1", "You have sent too many messages, try again later"};
    return {450, "4.7.1", "You have sent to too many recipients, try again later"};
}

}  // namespace

std::vector<sasl::Mechanism> mechanisms_of(const auth::Mechanisms& served) {
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

auth::Client Session::auth_client() const {
    auth::Client client;
    if (const auto ip = net::IpAddress::parse(machine_.peer().ip)) {
        client.ip = *ip;
    } else {
        client.unix_socket = true;
    }
    client.service = name(settings_->listener.protocol);
    client.mechanism = sasl::name(machine_.auth_mechanism());
    client.session = id_;
    client.tls = !machine_.peer().tls_version.empty();
    return client;
}

// What the mechanism needs is fetched here, before its next step. The provider counts, delays and tells; it alone
// decides how late a refusal comes.
net::Task<> Session::authenticate() {
    auto need = machine_.take_auth_need();
    auto& provider = *worker_.shared.services.provider;
    auto client = auth_client();
    if (auto* password = std::get_if<sasl::NeedPassword>(&need)) {
        took_login(co_await provider.password(worker_.loop, std::move(password->user),
                                              std::move(password->password), std::move(client)));
    } else if (auto* token = std::get_if<sasl::NeedToken>(&need)) {
        took_login(co_await provider.token(worker_.loop, std::move(token->user), std::move(token->token),
                                           std::move(client)));
    } else if (auto* external = std::get_if<sasl::NeedExternal>(&need)) {
        std::vector<std::string> names;  // TLS asks no client for a certificate yet
        took_login(co_await provider.external(worker_.loop, std::move(external->user), std::move(names),
                                              std::move(client)));
    } else if (auto* secret = std::get_if<sasl::NeedSecret>(&need)) {
        const auto hash =
            secret->hash == sasl::ScramHash::sha_1 ? auth::ScramHash::sha_1 : auth::ScramHash::sha_256;
        auto begun = co_await provider.scram_begin(worker_.loop, std::move(secret->user), hash, std::move(client));
        if (begun.verdict != auth::Login::Verdict::ok) {
            machine_.on_auth({.kind = kind_of(begun.verdict), .reply = reply_of(begun.verdict)});
            co_return;
        }
        scram_ = std::move(begun.attempt);
        machine_.on_auth({.kind = Answer::Kind::secret,
                          .secret = {std::move(begun.secrets.salt), begun.secrets.iterations,
                                     std::move(begun.secrets.stored_key), std::move(begun.secrets.server_key)}});
    } else if (const auto* verdict = std::get_if<sasl::NeedVerdict>(&need)) {
        const bool proved = verdict->proved;
        took_login(co_await provider.scram_end(worker_.loop, std::move(scram_), proved));
    }
}

void Session::took_login(auth::Login login) {
    auto answer = answer_of(login);
    account_.reset();
    if (login.verdict == auth::Login::Verdict::ok) account_ = std::move(login.account);
    machine_.on_auth(std::move(answer));
}

// Who has logged in here; null: nobody, or a front end said who it is (XCLIENT LOGIN).
const auth::Account* Session::account() const {
    return account_ && account_->name.text() == machine_.peer().auth_user ? &*account_ : nullptr;
}

// RFC 6409 §6.1
net::Task<smtp::Verdict> Session::ask_ownership() {
    const auto name = account()->name;
    const auto from = machine_.transaction().mail.from;
    const auto owned = co_await auth::owns(worker_.loop, *worker_.shared.services.directory, name, from);
    if (!owned) co_return refused(owned.error(), "MAIL");
    if (!*owned) co_return smtp::Verdict::no({553, "5.7.1", "This sender address is not yours"});
    co_return smtp::Verdict::yes();
}

std::optional<smtp::ServerReply> Session::over_sending_limit(std::size_t recipients, bool count) {
    const auto* who = account();
    if (who == nullptr) return std::nullopt;
    const auto limits = limits_of(*who, settings_->submission);
    const auto decision = worker_.shared.sending.with([&](policy::SendingCounter& counter) {
        const auto wanted = static_cast<std::uint32_t>(recipients);
        const auto now = worker_.loop.now();
        const auto key = who->name.text();
        return count ? counter.take(key, wanted, limits, now) : counter.look(key, wanted, limits, now);
    });
    if (decision == policy::SendingDecision::yes) return std::nullopt;
    return reply_of(decision);
}

// An account's own limit on the size of what it sends.
std::optional<smtp::ServerReply> Session::over_own_size(std::uint64_t size) const {
    const auto* who = account();
    if (who == nullptr || who->send.max_message_size == 0 || size <= who->send.max_message_size)
        return std::nullopt;
    return smtp::ServerReply{
        552, "5.3.4", "You may not send more than " + std::to_string(who->send.max_message_size) + " octets"};
}

}  // namespace posthorn::mta
