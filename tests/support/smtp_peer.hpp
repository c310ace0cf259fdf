// A scriptable SMTP server behind a FakeConnector: takes mail and keeps it, or does what a rule says.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "net/loop.hpp"
#include "tests/support/fake_connector.hpp"

namespace posthorn::testing {

class SmtpPeer {
public:
    struct Mail {
        base::SteadyTime at;
        std::string from;  // as in MAIL FROM:<...>
        std::vector<std::string> to;
        std::string parameters;  // of MAIL
        std::string data;        // dots unstuffed, CRLF
    };
    // A rule's special answers.
    static constexpr std::string_view kDrop = "<drop>";    // closes at once
    static constexpr std::string_view kStall = "<stall>";  // never answers

    SmtpPeer(FakeConnector& connector, net::Endpoint at);
    SmtpPeer(const SmtpPeer&) = delete;
    SmtpPeer& operator=(const SmtpPeer&) = delete;

    // Commands that start with `command` (case-insensitive; "greeting" and "." count) get `reply` (no CRLF needed)
    // `times` times; the last rule given is asked first.
    void on(std::string command, std::string reply, int times = 1'000'000'000);
    void clear() { shared_->rules.clear(); }
    void set_extensions(std::vector<std::string> extensions) { shared_->extensions = std::move(extensions); }
    void up();
    void down();  // connections are refused, those that stand are closed
    void set_think_time(base::Duration time) { shared_->think = time; }  // before each reply

    const std::vector<Mail>& mail() const { return shared_->mail; }
    const std::vector<base::SteadyTime>& transactions() const { return shared_->transactions; }  // MAIL commands
    std::size_t connections() const { return shared_->connections; }                             // ever accepted
    std::size_t most_at_once() const { return shared_->most; }
    std::size_t open() const { return shared_->open.size(); }
    const std::vector<std::string>& commands() const { return shared_->commands; }

private:
    struct Rule {
        std::string command;
        std::string reply;
        int times;
    };
    struct Shared {
        std::vector<Rule> rules;
        std::vector<std::string> extensions{"PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES"};
        base::Duration think{};
        std::vector<Mail> mail;
        std::vector<base::SteadyTime> transactions;
        std::vector<std::string> commands;
        std::size_t connections = 0;
        std::size_t most = 0;
        std::vector<MemoryStream*> open;
        std::string answer(std::string_view command, std::string usual);
        std::string ehlo() const;
    };
    struct Session;
    static net::Task<> serve(std::shared_ptr<Shared> shared, std::shared_ptr<MemoryStream> stream);
    static net::Task<bool> step(std::shared_ptr<Shared> shared, std::shared_ptr<MemoryStream> stream,
                                Session* session, std::string line);
    static net::Task<bool> say(std::shared_ptr<Shared> shared, std::shared_ptr<MemoryStream> stream,
                               std::string reply);

    FakeConnector& connector_;
    net::Endpoint at_;
    std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
};

}  // namespace posthorn::testing
