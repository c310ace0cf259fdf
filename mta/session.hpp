// One SMTP connection: the coroutine that performs what the session machine (proto/smtp/server_session.hpp) asks
// for, on the loop the connection lives on. It decides nothing about the protocol.
//
// Bounds: the machine's input (32 KiB) and output (16 KiB), and what the spool keeps of the body at hand (128 KiB
// and its budget for all sessions).
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/result.hpp"
#include "mail/envelope.hpp"
#include "mail/event.hpp"
#include "mta/limits.hpp"
#include "mta/settings.hpp"
#include "mta/worker.hpp"
#include "net/stream.hpp"
#include "proto/smtp/server_session.hpp"

namespace posthorn::mta {

class Session : public std::enable_shared_from_this<Session> {
public:
    // On the stream's loop, which is the worker's; both outlive the session's coroutine.
    static void start(Worker& worker, std::shared_ptr<const Settings> settings,
                      std::unique_ptr<net::Stream> stream);

    // Own loop. The session ends when no message is under way: at once when it waits for a command.
    void shut_down();
    // Own loop. Patience is over: ends now, but for a commit and the reply to it.
    void close();

private:
    enum class Doing : std::uint8_t { nothing, reading, writing, handshake };
    using Interruption = smtp::ServerSession::Interruption;

    Session(Worker& worker, std::shared_ptr<const Settings> settings, std::unique_ptr<net::Stream> stream);

    static net::Task<> run(std::shared_ptr<Session> self);
    static net::Task<> farewell(std::shared_ptr<Session> self, std::string bytes);
    void ended();

    net::Task<> read(smtp::ServerAction action);
    net::Task<> write(smtp::ServerAction action);
    bool may_shake_hands();
    net::Task<> handshake();
    net::Task<> flush();
    net::Task<> commit();
    net::Task<> leave();

    smtp::Verdict judge(smtp::Subject subject);
    smtp::Verdict judge_client();
    smtp::Verdict judge_sender();
    smtp::Verdict judge_recipient();
    smtp::Verdict open_body();
    smtp::Verdict refused(const base::Error& error, std::string_view stage) const;
    mail::Envelope make_envelope();

    void broken(const net::IoResult& result);
    void interrupt(Interruption why);
    void arm();
    void on_timer();
    base::Duration timeout(smtp::ServerTimeout which) const;

    mail::Event event(mail::EventKind kind) const;
    void report_notices();
    void record_accepted(const mail::Envelope& envelope, base::SteadyTime began);
    void add_steps(mail::Event& event, base::SteadyTime commit_began, base::SteadyTime now) const;

    Worker& worker_;
    std::shared_ptr<const Settings> settings_;
    std::unique_ptr<net::Stream> stream_;
    smtp::ServerSession machine_;
    std::string id_;
    base::SteadyTime began_;
    mail::StepClock step_clock_;
    base::SteadyTime mail_began_;  // the MAIL of the message at hand,
    base::SteadyTime body_began_;  // its DATA or first BDAT
    std::optional<base::SteadyTime> header_ended_;
    std::string parent_span_;    // of the message at hand, at the node it came from
    base::SteadyTime deadline_;  // of the wait at hand
    net::TimerId timer_ = 0;
    base::SteadyTime timer_at_;
    Doing doing_ = Doing::nothing;
    bool interrupted_ = false;  // a farewell is on its way and closes the stream
    bool hurry_ = false;        // close() came while nothing could be interrupted
    bool connected_ = false;    // the client was let in
    bool trusted_ = false;      // may relay
    std::optional<bool> may_xclient_;
    std::optional<ClientLimits::Ticket> ticket_;
    std::unique_ptr<spool::Intake> intake_;
};

}  // namespace posthorn::mta
