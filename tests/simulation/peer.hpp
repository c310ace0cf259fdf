// The other side: hosts that take mail, and hosts that do not. A host has a temper, which says how often it does what;
// it draws from the run's dice at every step, and tells the ledger what it saw and said.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/loop.hpp"
#include "policy/rate.hpp"
#include "tests/simulation/dice.hpp"
#include "tests/simulation/ledger.hpp"
#include "tests/support/fake_connector.hpp"

namespace posthorn::simulation {

// Chances in thousandths, each drawn at every step it applies to.
struct Temper {
    enum class Link : std::uint8_t { up, refuses, stalls } link = Link::up;
    int drops = 0;            // closes instead of answering
    int stalls = 0;           // never answers
    int leaves = 0;           // closes right after an answer
    int turns_away = 0;       // the session: at the greeting or EHLO, mostly for now
    int turns_away_hard = 0;  // ... for good
    int temporary = 0;        // MAIL, RCPT, DATA, end of data
    int permanent = 0;
    int loses_answer = 0;  // takes the message, and its 250 never arrives
    int odd = 0;           // answers in forms that are allowed and rare
    int nonsense = 0;      // answers that are none, or too many
    int knows_no_ehlo = 0;
    base::Duration greylist{};            // a pair of addresses is told 450 for so long
    base::Duration think{};               // before each answer
    std::size_t recipients = 0;           // 452 beyond; 0: no bound
    std::size_t read_at_most = SIZE_MAX;  // of its answers, by us
    std::vector<std::string> extensions{"PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES"};
    bool lies = false;  // knows less than it offers
};
Temper healthy(Dice& dice);
Temper draw_temper(Dice& dice);

// The hosts behind one destination, and what must hold over all of them.
struct Site {
    std::string key;      // policy::Route::key
    std::string name;     // a domain that goes there
    std::string pattern;  // of its rule in the configuration
    bool lmtp = false;
    std::uint32_t max_connections = 1;
    std::uint32_t open = 0;
    std::uint32_t most = 0;
    // Of this life: the most that any configuration allowed.
    policy::Rate rate;
    std::vector<base::SteadyTime> transactions;
};

struct Ports {
    testing::FakeConnector& connector;
    Ledger& ledger;
    Trace& trace;
    Dice& dice;
};

class Host {
public:
    Host(Ports ports, Site& site, net::Endpoint at);

    void become(Temper temper);
    const Temper& temper() const { return temper_; }
    const net::Endpoint& endpoint() const { return at_; }

private:
    struct Session;
    using SessionPtr = std::shared_ptr<Session>;

    void accept(net::Loop& loop, std::unique_ptr<testing::MemoryStream> stream);
    static net::Task<> listen(SessionPtr s);
    static net::Task<> talk(SessionPtr s);
    static net::Task<bool> greet(SessionPtr s);
    static net::Task<bool> command(SessionPtr s, std::string line, base::WallTime at, base::SteadyTime steady);
    static net::Task<bool> start_tls(SessionPtr s);
    static net::Task<bool> take_text(SessionPtr s);
    static net::Task<bool> take_chunk(SessionPtr s, std::string line);
    static net::Task<bool> finish_message(SessionPtr s);
    static net::Task<bool> say(SessionPtr s, std::string reply);
    static net::Task<bool> write(SessionPtr s, std::string bytes);
    static net::Task<bool> wait_for_input(SessionPtr s);

    std::string hello(Session& s, std::string_view line);
    std::string mail(Session& s, std::string_view line, base::SteadyTime steady);
    std::string recipient(Session& s, std::string_view line, base::WallTime at);
    std::string data(Session& s);
    std::string verdict(std::string_view fine, std::string_view soft, std::string_view hard);
    bool greylisted(const Ledger::Name& who, base::WallTime now);
    std::string dress(std::string reply);
    void count_transaction(base::SteadyTime at);

    Ports ports_;
    Site& site_;
    net::Endpoint at_;
    Temper temper_;
    std::map<std::pair<std::string, std::string>, base::WallTime> first_seen_;
};

}  // namespace posthorn::simulation
