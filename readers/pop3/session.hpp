// One POP3 connection: the coroutine that performs what the session machine (proto/pop3/server_session.hpp) asks for,
// on the loop the connection lives on. It decides nothing about the protocol.
//
// Memory: the machine's input (16 KiB at most) and output (a piece of 64 KiB and its stuffing), and 32 octets for each
// message of the maildrop.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mail/account.hpp"
#include "net/stream.hpp"
#include "proto/pop3/server_session.hpp"
#include "readers/pop3/settings.hpp"
#include "readers/pop3/worker.hpp"

namespace posthorn::pop3 {

class Session : public std::enable_shared_from_this<Session> {
public:
    // On the stream's loop, which is the worker's; both outlive the session's coroutine.
    // Its place in shared.sessions is taken.
    static void start(Worker& worker, std::shared_ptr<const Settings> settings,
                      std::unique_ptr<net::Stream> stream);

    // Own loop. The session ends at once when it waits for a command, else with its next one.
    void shut_down();
    // Own loop. Patience is over: ends now, but for an update of the maildrop.
    void close();

private:
    enum class Doing : std::uint8_t { nothing, reading, writing, handshake };
    using Interruption = ServerSession::Interruption;

    Session(Worker& worker, std::shared_ptr<const Settings> settings, std::unique_ptr<net::Stream> stream);

    static net::Task<> run(std::shared_ptr<Session> self);
    static net::Task<> farewell(std::shared_ptr<Session> self, std::string bytes);
    bool may_come_in();
    void ended();

    // session.cpp: the connection
    net::Task<> perform(ServerAction action);
    net::Task<> read(ServerAction action);
    net::Task<> write(ServerAction action);
    net::Task<> handshake();
    net::Task<> leave();
    void broken(const net::IoResult& result);
    void interrupt(Interruption why);
    void arm();
    void on_timer();
    base::Duration timeout(ServerTimeout which) const;

    // mail.cpp: logins and the maildrop
    net::Task<> login();
    net::Task<auth::Login> look_up(sasl::Step need);
    net::Task<> open();
    net::Task<> message(std::uint32_t uid);
    net::Task<> piece();
    net::Task<> update();
    net::Task<> over();
    void trouble(std::string_view what, const base::Error& error) const;
    auth::Client client() const;

    Worker& worker_;
    std::shared_ptr<const Settings> settings_;
    std::unique_ptr<net::Stream> stream_;
    ServerSession machine_;
    std::string id_;
    base::SteadyTime began_;
    base::SteadyTime deadline_;  // of the wait at hand
    net::TimerId timer_ = 0;
    base::SteadyTime timer_at_;
    Doing doing_ = Doing::nothing;
    bool interrupted_ = false;  // a farewell is on its way and closes the stream
    bool hurry_ = false;        // close() came while nothing could be interrupted
    std::optional<net::ClientLimits::Ticket> ticket_;

    std::shared_ptr<auth::Provider::ScramAttempt> attempt_;
    mail::AccountName account_;
    std::optional<Locks::Lock> lock_;
    store::MailboxId mailbox_ = 0;
    std::vector<std::pair<store::Uid, store::EmailId>> emails_;  // by UID
    store::UidSet to_mark_;                                      // retrieved, and not \Seen when we came
    store::UidSet unseen_;
    std::shared_ptr<store::Body> body_;
    std::uint64_t offset_ = 0;
    std::size_t deleted_ = 0;
};

}  // namespace posthorn::pop3
