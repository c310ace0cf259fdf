#include "tests/simulation/run.hpp"

#include <algorithm>

#include "mail/address.hpp"
#include "tests/support/orders.hpp"

namespace posthorn::simulation {

using namespace std::chrono_literals;

namespace {

constexpr std::size_t kMaxCallbacks = 100'000;  // at one moment of virtual time: far more than any world needs

template <class T>
net::Task<> wait_for(net::Task<base::Result<T>> question, std::shared_ptr<bool> answered,
                     std::function<void(const T&)> then) {
    const base::Result<T> answer = co_await std::move(question);
    *answered = true;
    if (answer && then) then(*answer);
}

std::vector<std::string> keys_of(const delivery::Selector& which) {
    if (!which.domain.empty()) return {which.domain};
    if (which.ids.empty()) return {"*"};
    std::vector<std::string> keys;
    for (const base::Ulid& id : which.ids) keys.push_back(id.to_string());
    return keys;
}

delivery::Selector of_domain(std::string name) {
    delivery::Selector which;
    which.domain = std::move(name);
    return which;
}

delivery::Selector of_ids(std::vector<base::Ulid> ids) {
    delivery::Selector which;
    which.ids = std::move(ids);
    return which;
}

}  // namespace

Run::Life::Life(Run& run, base::WallTime start)
    : loops(run.world_.loops, start),
      pool(loops.make_pool("disk", run.world_.dice.chance(100) ? 2 : 1000, run.world_.latency)),
      queue(loops, *run.store_, run.ledger_, run.trace_, run.world_.latency),
      random(run.world_.dice.next()),
      ulids(loops.clock(), random),
      service(std::make_unique<delivery::Service>(
          delivery::Deps{loops, queue, run.world_.resolver, run.world_.connector, *pool, run, metrics, random},
          run.world_.config)) {}

Run::Life::~Life() {
    loops.stop();
    service.reset();
}

Run::Run(std::uint64_t seed, bool verbose) : trace_(verbose), ledger_(trace_), world_(seed, trace_, ledger_) {
    store_ = world_.dice.chance(400) ? make_log_store(seed) : make_memory_store(seed);
}

Run::~Run() = default;

void Run::record(const mail::Event& event) {
    trace_.at(life_->loops.clock().wall());
    ledger_.event(event);
}

// ---- lives ----------------------------------------------------------------------------------------------------

void Run::begin_life(base::WallTime start) {
    ++lives_;
    world_.new_life();
    trace_.at(start);
    trace_.note("life {} begins", lives_);
    life_ = std::make_unique<Life>(*this, start);
    life_->loops.set_max_callbacks(kMaxCallbacks);
    const auto started = life_->service->start();
    if (!started) ledger_.violate("does not start: " + started.error().log_text);
    life_->loops.run_until_idle();
}

void Run::end_life() {
    trace_.at(life_->loops.clock().wall());
    life_.reset();
    questions_.clear();
    reconcile();
}

// What the store has after a start, against what is known of it: messages, then their DSNs.
void Run::reconcile() {
    const auto ids = store_->ids();
    for (const bool dsns : {false, true}) {
        for (const auto& [id, account] : ledger_.accounts()) {
            if (account.parent.has_value() != dsns) continue;
            if (!std::ranges::binary_search(ids, id)) {
                ledger_.recovered(id, nullptr);
                continue;
            }
            const auto stored = store_->load(id);
            if (!stored) return ledger_.violate("cannot be read after a start: " + id.to_string());
            ledger_.recovered(id, &*stored);
        }
    }
}

void Run::crash() {
    trace_.note("crash");
    const base::WallTime now = life_->loops.clock().wall();
    const auto unwritten = life_->queue.take_unwritten();
    ledger_.life_ended(false);
    store_->crash(unwritten);
    troubled_ = 0;
    end_life();
    begin_life(now + std::chrono::floor<std::chrono::milliseconds>(world_.dice.span(1s, 1h)));
}

void Run::stop() {
    const base::Duration grace = world_.dice.chance(300) ? base::Duration{} : world_.dice.span(100ms, 2min);
    trace_.note("stop");
    auto done = std::make_shared<bool>(false);
    life_->service->stop(grace, [done] { *done = true; });
    const auto before = life_->loops.clock().steady();
    if (!life_->loops.run_until([&] { return *done || broken(); }, grace + 5s))
        ledger_.violate("stop() never calls back");
    const bool in_time = life_->loops.clock().steady() - before < grace + 2s;
    life_->queue.stop();
    const base::WallTime now = life_->loops.clock().wall();
    ledger_.life_ended(in_time && troubled_ == 0);
    store_->crash({});
    troubled_ = 0;
    end_life();
    begin_life(now + std::chrono::floor<std::chrono::milliseconds>(world_.dice.span(1s, 1h)));
}

// ---- what happens ---------------------------------------------------------------------------------------------

void Run::send() {
    Dice& dice = world_.dice;
    mail::Envelope envelope;
    envelope.id = life_->ulids.next();
    const std::string number = "m" + std::to_string(messages_++);
    if (!dice.chance(100)) envelope.reverse_path = *mail::parse_address(world_.sender(number));
    const int count = dice.chance(600) ? 1 : dice.between(1, 8);
    for (int i = 0; i < count; ++i) {
        mail::Recipient recipient;
        recipient.address = *mail::parse_address(world_.recipient(number + "r" + std::to_string(i)));
        if (dice.chance(300)) {
            recipient.notify =
                dice.chance(300) ? mail::notify::never : static_cast<std::uint8_t>(dice.between(1, 7) << 1);
        }
        if (dice.chance(100)) recipient.orcpt = "rfc822;" + recipient.address.to_string();
        envelope.recipients.push_back(std::move(recipient));
    }
    if (dice.chance(200)) envelope.ret = dice.chance(500) ? mail::DsnReturn::full : mail::DsnReturn::headers;
    envelope.arrival = life_->loops.clock().wall();
    std::string body = "Subject: " + number + "\r\n\r\n.dots\r\n..\r\n";
    body += std::string(dice.below(dice.chance(100) ? 60000 : 300), 'x') + "\r\n";
    envelope.body_size = body.size();
    trace_.note("sent {} <{}>", envelope.id.to_string(), envelope.reverse_path.to_string());
    life_->queue.put(std::move(envelope), std::move(body));
}

void Run::storage_trouble() {
    Dice& dice = world_.dice;
    const int rounds = dice.chance(500) ? 0 : dice.between(1, 12);
    troubled_ = rounds;
    store_->trouble(rounds);
    life_->queue.fail_loads(dice.chance(300) ? dice.between(50, 600) : 0, &dice);
    trace_.note("storage trouble for {} rounds", rounds);
}

void Run::step() {
    Dice& dice = world_.dice;
    life_->loops.run_until([&] { return broken(); },
                           dice.span(1ms, dice.chance(100) ? base::Duration(6h) : base::Duration(10min)));
    trace_.at(life_->loops.clock().wall());
    const int what = dice.between(0, 99);
    if (what < 40) return send();
    if (what < 64) return world_.change_temper();
    if (what < 72) return world_.change_dns();
    if (what < 86) return operate();
    if (what < 89) {
        world_.change_config();
        trace_.note("reload");
        return life_->service->reload(world_.config);
    }
    if (what < 94) return storage_trouble();
    if (what < 97) return crash();
    if (what < 99) return stop();
}

// All is well from here on: nothing may be left.
void Run::finish() {
    world_.heal();
    store_->trouble(0);
    life_->queue.fail_loads(0, nullptr);
    // An order given before must not overtake the last ones: orders side by side have no order among themselves.
    const auto answered = [&] {
        return std::ranges::all_of(questions_, [](const auto& q) { return q->answered; });
    };
    life_->loops.run_until(answered, 1h);
    unfreeze({});
    for (const auto& site : world_.sites()) unfreeze(of_domain(site->name));
    if (const auto waiting = ledger_.waiting(); !waiting.empty()) unfreeze(of_ids(waiting));
    std::size_t recipients = 0;
    for (const auto& [id, account] : ledger_.accounts()) recipients += account.fates.size();
    const auto all_done = [&] {
        return broken() || (ledger_.waiting().empty() && store_->ids().empty() && answered());
    };
    life_->loops.run_until(all_done, world_.patience(recipients));
    trace_.at(life_->loops.clock().wall());
    for (const base::Ulid& id : ledger_.waiting()) ledger_.violate("held for ever: " + ledger_.describe(id));
    for (const auto& question : questions_) {
        if (!question->answered) ledger_.violate("an operator never got an answer: " + question->what);
    }
    ledger_.check_end();
    bool done = false;
    life_->service->stop(10s, [&] { done = true; });
    if (!life_->loops.run_until([&] { return done; }, 15s)) ledger_.violate("the last stop() never calls back");
}

Result Run::go() {
    try {
        begin_life(base::from_ms(Trace::kStart));
        const int steps = world_.dice.between(10, 120);
        for (int i = 0; i < steps && !broken(); ++i) step();
        if (!broken()) finish();
    } catch (const std::exception& e) {
        ledger_.violate(std::string("exception: ") + e.what());
    }
    life_.reset();
    return {ledger_.violation(),         trace_.hash(), trace_.lines(),
            std::string(store_->name()), lives_,        ledger_.figures()};
}

// ---- operators ------------------------------------------------------------------------------------------------

template <class T>
void Run::ask(net::Loop& loop, std::string what, net::Task<base::Result<T>> question, Answer<T> then) {
    trace_.note("operator: {}", what);
    auto pending = std::make_shared<Question>(std::move(what));
    questions_.push_back(pending);
    const auto answered = std::shared_ptr<bool>(pending, &pending->answered);
    net::spawn(loop, "operator", wait_for(std::move(question), answered, std::move(then)));
}

base::Ulid Run::some_message() {
    const auto waiting = ledger_.waiting();
    return waiting.empty() ? life_->ulids.next() : world_.dice.pick(waiting);
}

delivery::Selector Run::some_selection() {
    const int kind = world_.dice.between(0, 9);
    if (kind == 0) return {};
    if (kind < 4) return of_domain(world_.some_site().name);
    return of_ids({some_message(), some_message()});
}

void Run::freeze(const delivery::Selector& which) {
    const int order = ++orders_;
    const Answer<testing::Changed> then = [this, order, which](const testing::Changed& changed) {
        if (last_unfreeze_ > order) return;  // side by side: who was first is nobody's to say
        for (const std::string& key : keys_of(which)) {
            const auto is_key = [&](const base::Ulid& id) { return id.to_string() == key; };
            if (std::ranges::none_of(changed.unknown, is_key)) ledger_.held(key);
        }
    };
    net::Loop& loop = some_loop();
    ask(loop, "freeze", testing::freeze(*life_->service, loop, which), then);
}

void Run::unfreeze(const delivery::Selector& which) {
    last_unfreeze_ = ++orders_;
    for (const std::string& key : keys_of(which)) ledger_.released(key);
    net::Loop& loop = some_loop();
    ask(loop, "unfreeze", testing::unfreeze(*life_->service, loop, which));
}

void Run::cancel() {
    const base::Ulid id = some_message();
    const bool bounce = world_.dice.chance(500);
    if (ledger_.accounts().contains(id)) ledger_.cancel_asked(id, bounce);
    const Answer<testing::Changed> then = [this, id](const testing::Changed& changed) {
        if (changed.count() > 0) ledger_.held("cancel " + id.to_string());
    };
    net::Loop& loop = some_loop();
    ask(loop, "cancel " + id.to_string(), testing::cancel(*life_->service, loop, of_ids({id}), bounce), then);
}

void Run::operate() {
    delivery::Service& service = *life_->service;
    net::Loop& loop = some_loop();
    switch (world_.dice.between(0, 7)) {
        case 0: ledger_.retry_asked({}); return ask(loop, "retry", testing::retry(service, loop, some_selection()));
        case 1: return freeze(some_selection());
        case 2:
        case 3: return unfreeze(some_selection());
        case 4: return cancel();
        case 5: return ask(loop, "list", service.list(loop, delivery::ListQuery()));
        case 6: return ask(loop, "view", service.view(loop, some_message()));
        default: return ask(loop, "stats", service.stats(loop));
    }
}

}  // namespace posthorn::simulation
