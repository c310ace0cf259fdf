// Who a session's client is, and what it may send: logins, the sender's address, the account's limits.
#include "mta/session.hpp"

namespace posthorn::mta {
namespace {

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

// What the mechanism needs is fetched here, before its next step.
net::Task<> Session::authenticate() {
    auto answer = co_await lookup_.ask(*worker_.shared.services.provider, worker_.loop, machine_.take_auth_need(),
                                       auth_client());
    if (answer.secret) {
        machine_.on_secret(*std::move(answer.secret));
        co_return;
    }
    account_.reset();
    if (answer.verdict == sasl::LoginVerdict::ok) account_ = std::move(answer.account);
    machine_.on_login(answer.verdict, account_ ? account_->name.text() : std::string());
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
