// What a session decides about clients, senders, recipients and messages: policy is asked, the spool is filled,
// what happened is recorded.
#include <fmt/format.h>

#include "base/log.hpp"
#include "mail/received.hpp"
#include "mta/replies.hpp"
#include "mta/session.hpp"
#include "policy/submission.hpp"

namespace posthorn::mta {
namespace {

smtp::Verdict going_down() { return smtp::Verdict::no({421, "4.3.2", "Not taking mail now, try again later"}); }

}  // namespace

std::optional<smtp::Verdict> Session::judge(smtp::Subject subject) {
    switch (subject) {
        case smtp::Subject::client: return judge_client();
        case smtp::Subject::sender: return judge_sender();
        case smtp::Subject::recipient: return judge_recipient();
    }
    return going_down();
}

net::Task<smtp::Verdict> Session::ask(smtp::Subject subject) {
    if (subject == smtp::Subject::recipient) co_return co_await ask_recipient();
    auto verdict = co_await ask_ownership();
    if (!verdict.accept) co_return verdict;
    co_return make_room();
}

// At the start, when a PROXY header has told who it is, and again after XCLIENT.
smtp::Verdict Session::judge_client() {
    auto& peer = machine_.peer();
    const auto& config = settings_->listener.smtp;
    const bool local = !may_xclient_ && !settings_->listener.address.unix_path.empty();
    const auto parsed = net::IpAddress::parse(peer.ip);
    ticket_.reset();
    trusted_ = local;
    if (parsed) {
        const auto ip = parsed->unmapped();
        peer.ip = ip.to_string();
        trusted_ = policy::contains(config.relay_networks, ip);
        // Who may name another client is decided by who connected, not by whom it named.
        if (!may_xclient_) may_xclient_ = policy::contains(config.xclient_networks, ip);
        ticket_ = net::ClientLimits::enter(group_.clients(), ip, config.max_connections_per_client);
    } else {
        peer.ip.clear();
    }
    peer.may_xclient = may_xclient_.value_or(false);
    if (parsed && !ticket_) {
        worker_.shared.counters.turned_away.add();
        return smtp::Verdict::no({421, "4.7.0", "Too many connections from you"});
    }
    if (worker_.shared.queue->broken()) return going_down();
    if (!std::exchange(connected_, true)) worker_.shared.events.record(event(mail::EventKind::connected));
    return smtp::Verdict::yes();
}

std::optional<smtp::Verdict> Session::judge_sender() {
    if (worker_.shared.queue->broken()) return going_down();
    mail_began_ = worker_.loop.now();
    rooms_.clear();
    if (account() != nullptr) {
        if (auto refusal = over_own_size(machine_.transaction().mail.size)) return smtp::Verdict::no(*refusal);
        if (auto refusal = over_sending_limit(0, false)) return smtp::Verdict::no(*refusal);
        if (settings_->submission.sender_ownership && worker_.shared.services.directory != nullptr)
            return std::nullopt;
    }
    return make_room();
}

// Room for the message is asked for at MAIL, so that a full disk says so before anything was sent.
smtp::Verdict Session::make_room() {
    intake_.reset();
    auto intake = worker_.shared.queue->begin(worker_.loop, machine_.transaction().mail.size);
    if (!intake) return refused(intake.error(), "MAIL");
    intake_ = std::move(*intake);
    return smtp::Verdict::yes();
}

std::optional<smtp::Verdict> Session::judge_recipient() {
    const auto& recipient = machine_.candidate().address;
    if (auto refusal = over_sending_limit(machine_.transaction().recipients.size() + 1, false))
        return smtp::Verdict::no(*refusal);
    if (recipient.domain.empty() && !settings_->postmaster)  // RFC 5321 §4.5.1
        return smtp::Verdict::no({550, "5.1.1", "No postmaster is configured"});
    if (is_local(candidate_address())) return std::nullopt;
    if (settings_->lmtp()) return smtp::Verdict::no({550, "5.7.1", "Not a recipient of ours"});
    if (recipient.domain.empty()) return smtp::Verdict::yes();
    const bool trusted = trusted_ || !machine_.peer().auth_user.empty();
    switch (settings_->relay.decide(recipient, trusted)) {
        case policy::RelayDecision::own_domain:
        case policy::RelayDecision::trusted_client: return smtp::Verdict::yes();
        case policy::RelayDecision::bad_domain:
            return smtp::Verdict::no({550, "5.1.2", "No such domain can exist"});
        case policy::RelayDecision::refused: break;
    }
    return smtp::Verdict::no({550, "5.7.1", "We do not relay for you"});
}

smtp::Verdict Session::open_body() {
    body_began_ = worker_.loop.now();
    header_ended_.reset();
    if (intake_) return smtp::Verdict::yes();  // since MAIL
    auto intake = worker_.shared.queue->begin(worker_.loop, machine_.transaction().mail.size);
    if (!intake) return refused(intake.error(), "DATA");
    intake_ = std::move(*intake);
    return smtp::Verdict::yes();
}

smtp::Verdict Session::refused(const base::Error& error, std::string_view stage) const {
    auto reply = reply_of(error);
    // Before the message nothing was lost yet, and while a disk is full or a directory down every client asks: they
    // have said so already.
    const auto level = stage == "MAIL" || stage == "RCPT" ? base::log::Level::debug : base::log::Level::warning;
    if (base::log::enabled(level)) {
        base::log::write(level, "smtp.not_stored",
                         {{"session_id", id_},
                          {"stage", stage},
                          {"smtp_code", reply.code},
                          {"enhanced_code", reply.status},
                          {"error", error.log_text}});
    }
    return smtp::Verdict::no(std::move(reply));
}

mail::Envelope Session::make_envelope() {
    const auto& transaction = machine_.transaction();
    const auto& peer = machine_.peer();
    mail::Envelope envelope;
    envelope.id = worker_.ids.next();
    envelope.reverse_path = transaction.mail.from;
    envelope.recipients = transaction.recipients;
    for (auto& recipient : envelope.recipients) {
        if (recipient.address.domain.empty() && settings_->postmaster) recipient.address = *settings_->postmaster;
    }
    envelope.body = transaction.mail.body;
    envelope.smtputf8 = transaction.mail.smtputf8;
    envelope.ret = transaction.mail.ret;
    envelope.envid = transaction.mail.envid;
    envelope.client = {.ip = peer.ip,
                       .port = peer.port,
                       .helo = peer.helo,
                       .esmtp = peer.esmtp,
                       .tls_version = peer.tls_version,
                       .tls_cipher = peer.tls_cipher,
                       .auth_user = peer.auth_user};
    envelope.listener = settings_->name;
    envelope.arrival = worker_.loop.clock().wall();
    envelope.body_size = transaction.size;
    envelope.header_message_id = transaction.header.message_id();
    envelope.metadata = settings_->listener.context;
    if (settings_->sampler) {
        // Only our own nodes are offered to say it.
        const auto parent = mail::parse_traceparent(transaction.mail.trace);
        parent_span_ = parent ? parent->context.span_id : std::string{};
        if (auto trace = settings_->sampler->begin(*worker_.random, parent)) envelope.trace = *std::move(trace);
    }
    // Return-Path is for the last hop to add (RFC 5321 §4.4); we take none away and alter nothing of the body.
    envelope.trace_headers = mail::received_field(envelope, settings_->hostname, settings_->lmtp());
    envelope.hold_until = transaction.hold_until;
    // RFC 6409 §8.2, §8.3
    if (!peer.auth_user.empty()) {
        policy::complete_submitted(envelope, transaction.header.has_date(), transaction.header.has_message_id(),
                                   settings_->hostname);
    }
    return envelope;
}

// From here until the reply is queued nothing cancels: a lost 250 only makes a duplicate, a false one loses mail.
net::Task<> Session::commit() {
    auto refusal = over_own_size(machine_.transaction().size);
    if (!refusal) refusal = over_sending_limit(machine_.transaction().recipients.size(), true);
    if (refusal) {
        intake_.reset();
        machine_.on_verdict(smtp::Verdict::no(*std::move(refusal)));
        co_return;
    }
    const auto envelope = make_envelope();
    const auto id = envelope.id.to_string();
    const auto began = worker_.loop.now();
    const auto durable = co_await worker_.shared.queue->commit(worker_.loop, envelope, std::move(intake_));
    if (!durable) {
        machine_.on_verdict(refused(durable.error(), "commit"));
        co_return;
    }
    machine_.on_verdict({.accept = true, .reply = {250, "2.0.0", "Queued as " + id}});
    record_accepted(envelope, began);
}

// ---- what happened

mail::Event Session::event(mail::EventKind kind) const {
    const auto& peer = machine_.peer();
    mail::Event out;
    out.kind = kind;
    out.at = worker_.loop.clock().wall();
    out.session = id_;
    out.client_ip = peer.ip;
    if (!peer.tls_version.empty()) out.tls = peer.tls_version + " " + peer.tls_cipher;
    out.extra.emplace_back("listener", settings_->name);
    if (!peer.helo.empty()) out.extra.emplace_back("helo", peer.helo);
    if (!peer.auth_user.empty()) out.extra.emplace_back("user", peer.auth_user);
    return out;
}

void Session::report_notices() {
    for (auto& notice : machine_.take_notices()) {
        const bool security = notice.kind == smtp::Notice::Kind::security;
        auto out = event(security ? mail::EventKind::security : mail::EventKind::rejected);
        out.detail = std::move(notice.stage);
        out.code = notice.code;
        out.status = std::move(notice.status);
        out.text = std::move(notice.text);
        out.recipient = std::move(notice.recipient);
        if (machine_.in_transaction()) out.sender = machine_.transaction().mail.from.to_string();
        worker_.shared.events.record(out);
    }
}

void Session::record_accepted(const mail::Envelope& envelope, base::SteadyTime began) {
    const auto now = worker_.loop.now();
    auto out = event(mail::EventKind::accepted);
    out.message_id = envelope.id;
    out.sender = envelope.reverse_path.to_string();
    out.recipient = envelope.recipients.front().address.to_string();
    if (envelope.recipients.size() > 1) {
        for (const auto& recipient : envelope.recipients) out.recipients.push_back(recipient.address.to_string());
    }
    out.code = 250;
    out.status = "2.0.0";
    out.size = envelope.body_size;
    out.header_message_id = envelope.header_message_id;
    out.elapsed = now - began;
    out.delays[0] = now - mail_began_;
    for (const auto& [key, value] : envelope.metadata) out.extra.emplace_back(key, value);
    out.trace = envelope.trace;
    if (!out.trace.trace_id.empty()) add_steps(out, began, now);
    worker_.shared.events.record(out);
}

// The first message's trace has the session from its beginning, a later one's from its MAIL.
void Session::add_steps(mail::Event& event, base::SteadyTime commit_began, base::SteadyTime now) const {
    event.parent_span = parent_span_;
    const auto header_ended = header_ended_.value_or(commit_began);
    event.steps.push_back(step_clock_.step("smtp_session", machine_.accepted() <= 1 ? began_ : mail_began_, now));
    event.steps.push_back(step_clock_.step("receive_headers", body_began_, header_ended));
    event.steps.push_back(step_clock_.step("validate_message", header_ended, commit_began));
    event.steps.push_back(step_clock_.step("spool_message", commit_began, now));
}

}  // namespace posthorn::mta
