// One SMTP connection: the coroutine that performs what the session machine (proto/smtp/server_session.hpp) asks
// for, on the loop the connection lives on. It decides nothing about the protocol.
//
// Bounds: the machine's input (32 KiB) and output (16 KiB), and what the spool keeps of the body at hand (128 KiB
// and its budget for all sessions).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "auth/sasl.hpp"
#include "base/result.hpp"
#include "mail/envelope.hpp"
#include "mail/event.hpp"
#include "mta/settings.hpp"
#include "mta/worker.hpp"
#include "net/session_driver.hpp"
#include "proto/smtp/server_session.hpp"

namespace posthorn::mta {

class Session final : public net::SessionDriver<smtp::ServerSession> {
public:
    // On the stream's loop, which is the worker's; both outlive the session. Its place in the group is taken. What ends it
    // from outside never cuts off a commit and the reply to it.
    Session(Worker& worker, std::shared_ptr<const Settings> settings, std::unique_ptr<net::Stream> stream);

private:
    net::Task<> converse() override;
    void ended() override;

    bool may_shake_hands();
    net::Task<> shake_hands();
    net::Task<> flush();
    net::Task<> commit();

    // What needs nobody to be asked is decided at once; nothing: ask() is to be awaited.
    std::optional<smtp::Verdict> judge(smtp::Subject subject);
    net::Task<smtp::Verdict> ask(smtp::Subject subject);
    smtp::Verdict judge_client();
    std::optional<smtp::Verdict> judge_sender();
    std::optional<smtp::Verdict> judge_recipient();
    smtp::Verdict make_room();
    smtp::Verdict open_body();
    smtp::Verdict refused(const base::Error& error, std::string_view stage) const;
    mail::Envelope make_envelope();

    // session_auth.cpp
    net::Task<> authenticate();
    auth::Client auth_client() const;
    const auth::Account* account() const;
    net::Task<smtp::Verdict> ask_ownership();
    std::optional<smtp::ServerReply> over_sending_limit(std::size_t recipients, bool count);
    std::optional<smtp::ServerReply> over_own_size(std::uint64_t size) const;

    // session_local.cpp
    struct Room {
        mail::AccountName account;
        auth::Quota quota;
    };
    bool is_local(const mail::Address& address) const;
    const mail::Address& candidate_address() const;
    net::Task<smtp::Verdict> ask_recipient();
    net::Task<smtp::Verdict> ask_room(Room room);
    net::Task<std::vector<Room>> rooms_behind(std::vector<mail::Address> targets);
    net::Task<std::optional<smtp::ServerReply>> reserve(std::vector<Room> rooms, base::Ulid id,
                                                        std::uint64_t bytes);
    void release(const base::Ulid& id, std::size_t from);
    net::Task<> commit_each();

    base::Duration timeout(smtp::ServerTimeout which) const;

    mail::Event event(mail::EventKind kind) const;
    void report_notices();
    void record_accepted(const mail::Envelope& envelope, base::SteadyTime began);
    void add_steps(mail::Event& event, base::SteadyTime commit_began, base::SteadyTime now) const;

    Worker& worker_;
    std::shared_ptr<const Settings> settings_;
    std::string id_;
    mail::StepClock step_clock_;
    base::SteadyTime mail_began_;  // the MAIL of the message at hand,
    base::SteadyTime body_began_;  // its DATA or first BDAT
    std::optional<base::SteadyTime> header_ended_;
    std::string parent_span_;  // of the message at hand, at the node it came from
    bool connected_ = false;   // the client was let in
    bool trusted_ = false;     // may relay
    std::optional<bool> may_xclient_;
    std::optional<net::ClientLimits::Ticket> ticket_;
    std::unique_ptr<spool::Intake> intake_;
    std::optional<auth::Account> account_;  // of the newest login that was granted
    auth::SaslLookup lookup_;
    std::vector<std::vector<Room>> rooms_;     // LMTP: of the transaction's recipients, in their order
    std::vector<mail::AccountName> reserved_;  // where room is kept for the message at hand
};

}  // namespace posthorn::mta
