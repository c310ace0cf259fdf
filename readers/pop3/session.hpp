// One POP3 connection: the coroutine that performs what the session machine (proto/pop3/server_session.hpp) asks for,
// on the loop the connection lives on. It decides nothing about the protocol.
//
// Memory: the machine's input (16 KiB at most) and output (a piece of 64 KiB and its stuffing), 32 octets for each message
// of the maildrop, and what was read ahead (twice 64 KiB).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/begun.hpp"
#include "proto/pop3/server_session.hpp"
#include "readers/pop3/worker.hpp"

namespace posthorn::pop3 {

class Session final : public readers::Session<Protocol> {
public:
    using readers::Session<Protocol>::Session;

private:
    net::Task<> perform(ServerAction action) override;
    void report() const override;
    void gone() override { lock_.reset(); }
    base::Duration timeout(ServerTimeout which) const;

    // mail.cpp: the maildrop
    net::Task<> open();
    net::Task<> message(std::uint32_t uid);
    net::Task<base::Result<std::shared_ptr<store::Body>>> body_of(std::size_t which);
    void read_ahead(std::size_t from);
    net::Task<> piece();
    net::Task<> update();
    net::Task<> over();
    void trouble(std::string_view what, const base::Error& error) const;

    std::optional<Locks::Lock> lock_;
    store::UidScope mailbox_;
    std::vector<std::pair<store::Uid, store::EmailId>> emails_;  // by UID
    store::UidSet to_mark_;                                      // retrieved, and not \Seen when we came
    store::UidSet unseen_;
    std::shared_ptr<store::Body> body_;
    std::size_t next_ = 0;        // of emails_, behind the one that was asked for last
    store::Store::Opened ahead_;  // of emails_ before `ahead_end_`
    std::size_t ahead_end_ = 0;
    std::optional<net::Begun<store::Store::Opened>> coming_;  // of those from there to `coming_end_`
    std::size_t coming_end_ = 0;
    std::uint64_t offset_ = 0;
    std::size_t deleted_ = 0;
};

}  // namespace posthorn::pop3
