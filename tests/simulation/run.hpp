// One run: a world, lives of the service one after the other, what happens to them; then all is well, and everything
// that was accepted must come to its end.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "delivery/service.hpp"
#include "net/sim_loop.hpp"
#include "tests/simulation/sim_queue.hpp"
#include "tests/simulation/world.hpp"

namespace posthorn::simulation {

struct Result {
    std::string violation;  // empty: all held
    std::uint64_t hash = 0;
    std::uint64_t lines = 0;
    std::string store;
    int lives = 1;
    Ledger::Figures figures;
};

class Run final : public mail::EventSink {
public:
    Run(std::uint64_t seed, bool verbose);
    ~Run() override;
    Result go();

    void record(const mail::Event& event) override;

private:
    // What dies in a crash. In the order in which it is made.
    struct Life {
        Life(Run& run, base::WallTime start);
        ~Life();
        net::SimLoops loops;
        std::unique_ptr<net::Pool> pool;
        SimQueue queue;
        base::Metrics metrics;
        base::SeededRandom random;
        base::UlidSource ulids;
        std::unique_ptr<delivery::Service> service;
    };

    void begin_life(base::WallTime start);
    void end_life();
    void reconcile();
    void crash();
    void stop();
    void step();
    void send();
    void operate();
    void storage_trouble();
    void finish();
    net::Loop& some_loop() { return life_->loops.at(world_.dice.below(life_->loops.size())); }
    base::Ulid some_message();
    delivery::Selector some_selection();
    template <class T>
    using Answer = std::function<void(const T&)>;
    // `then`: once it has succeeded.
    template <class T>
    void ask(net::Loop& loop, std::string what, net::Task<base::Result<T>> question, Answer<T> then = {});
    void freeze(const delivery::Selector& which);
    void unfreeze(const delivery::Selector& which);
    void cancel();
    bool broken() const { return !ledger_.violation().empty(); }

    Trace trace_;
    Ledger ledger_;
    World world_;
    std::unique_ptr<Store> store_;
    std::unique_ptr<Life> life_;
    int lives_ = 0;
    int messages_ = 0;
    int troubled_ = 0;  // rounds of the store that were made to fail: while > 0 a stop may lose outcomes
    struct Question {
        std::string what;
        bool answered = false;
    };
    int orders_ = 0;         // to freeze or not, in the order given
    int last_unfreeze_ = 0;  // which of them
    std::vector<std::shared_ptr<Question>> questions_;
};

}  // namespace posthorn::simulation
