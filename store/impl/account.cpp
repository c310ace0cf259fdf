#include "store/impl/account.hpp"

#include <algorithm>

#include "base/log.hpp"

namespace posthorn::store {

using base::sqlite::Savepoint;
using base::sqlite::Transaction;

namespace {

constexpr std::size_t kGroup = 64;  // writes in one transaction
constexpr auto kSizes = {1e3, 4e3, 16e3, 64e3, 256e3, 1e6, 4e6, 16e6, 64e6};

bool spoils(const base::Error& error) { return error.code == EIO || error.code == EUCLEAN || error.code == ENOSPC; }

void end_all(auto& works, const base::Error& error) {
    for (auto& work : works) work.end(&error);
}

}  // namespace

Account::Account(std::shared_ptr<Shared> shared, mail::AccountName name)
    : shared_(std::move(shared)), name_(std::move(name)) {
    auto& m = shared_->metrics;
    const auto count = [&](const char* status) {
        return &m.counter("posthorn_store_deliveries_total", "Deliveries into mailboxes.",
                          {{"domain", name_.domain}, {"status", status}});
    };
    counts_ = {count("delivered"),
               count("duplicate"),
               count("over_quota"),
               count("failed"),
               &m.histogram("posthorn_store_delivery_duration_seconds", "Time a delivery took to be durable.",
                            base::seconds_bounds(), {{"domain", name_.domain}}),
               &m.histogram("posthorn_store_delivery_size_bytes", "Size of what was delivered.", kSizes,
                            {{"domain", name_.domain}})};
}

Account::~Account() { close_now(); }

bool Account::submit(Work work) {
    {
        const std::lock_guard lock(mutex_);
        waiting_.push_back(std::move(work));
        if (running_) return true;
        running_ = true;
    }
    if (shared_->pool.submit([self = shared_from_this()] { self->turn(); })) return true;
    std::deque<Work> more;
    {
        const std::lock_guard lock(mutex_);
        running_ = false;
        waiting_.pop_front();  // ours: nobody's turn has begun
        more.swap(waiting_);   // who came meanwhile counted on our turn
    }
    ended_.notify_all();
    const base::Error busy{base::ErrorKind::temporary, "4.3.2", "System is busy, try again later",
                           "pool " + shared_->pool.name() + " is full", EBUSY};
    end_all(more, busy);
    return false;
}

// On a thread of the pool. Goes to the end of the pool's queue between two rounds, so that others have their turn.
void Account::turn() {
    while (true) {
        std::deque<Work> works;
        {
            const std::lock_guard lock(mutex_);
            if (waiting_.empty()) {
                running_ = false;
                break;
            }
            works.swap(waiting_);
        }
        work_on(works);
        {
            const std::lock_guard lock(mutex_);
            if (waiting_.empty()) continue;
        }
        if (shared_->pool.submit([self = shared_from_this()] { self->turn(); })) return;
    }
    ended_.notify_all();
}

void Account::work_on(std::deque<Work>& works) {
    while (!works.empty()) {
        if (works.front().kind == Work::Kind::close) {
            auto work = std::move(works.front());
            works.pop_front();
            close_now();
            const auto error = work.run(nullptr);
            work.end(error ? &*error : nullptr);
            continue;
        }
        if (auto ready = make_ready(); !ready) {
            works.front().end(&ready.error());
            works.pop_front();
            continue;
        }
        if (auto heard = hear(); !heard) {
            works.front().end(&heard.error());
            works.pop_front();
            continue;
        }
        const auto kind = works.front().kind;
        if (kind == Work::Kind::read || kind == Work::Kind::alone) {
            auto work = std::move(works.front());
            works.pop_front();
            auto error = work.run(open_.get());
            if (auto good = open_->index().db().take_error(); !good) {
                error = good.error();
                spoiled_ = spoiled_ || spoils(*error);
            }
            work.end(error ? &*error : nullptr);
        } else {
            std::vector<Work> group;
            while (!works.empty() && group.size() < kGroup &&
                   (works.front().kind == Work::Kind::write || works.front().kind == Work::Kind::bulk)) {
                group.push_back(std::move(works.front()));
                works.pop_front();
            }
            write_group(group);
        }
        if (spoiled_) close_now();
    }
}

// What others did to the files goes into the index before anything is asked of it. An error: the account was closed for
// it, and would be again.
base::Result<void> Account::hear() {
    base::Result<void> done;
    while (done && open_->bodies().news()) {
        std::vector<Work> one;
        one.push_back({.kind = Work::Kind::write,
                       .run = [](OpenAccount* open) -> std::optional<base::Error> {
                           auto taken = open->bodies().take_news();
                           if (!taken) return taken.error();
                           return std::nullopt;
                       },
                       .end =
                           [this, &done](const base::Error* error) {
                               if (error == nullptr) return;
                               done = std::unexpected(*error);
                               base::log::warning("store.news_failed",
                                                  {{"account", name_.text()}, {"error", error->log_text}});
                           }});
        write_group(one);
    }
    if (!spoiled_) return {};
    close_now();
    return done;
}

base::Result<void> Account::make_ready() {
    if (open_) return {};
    spoiled_ = false;
    fresh_ = true;  // a closed index can be put back from a copy: what is given from here on is told to the mark
    auto opened = OpenAccount::open(shared_, name_, last_modseq_);
    if (!opened) {
        base::log::error("store.open_failed", {{"account", name_.text()}, {"error", opened.error().log_text}});
        return std::unexpected(opened.error());
    }
    open_ = *std::move(opened);
    is_open_ = true;
    behind = true;
    shared_->open_accounts.fetch_add(1);
    return {};
}

void Account::write_group(std::vector<Work>& group) {
    const bool bulk = std::ranges::any_of(group, [](const Work& work) { return work.kind == Work::Kind::bulk; });
    if (auto reserved = open_->reserve_ids(bulk, fresh_); !reserved) {
        fresh_ = true;  // the index may know of ids that the mark does not
        end_all(group, reserved.error());
        return;
    }
    fresh_ = false;
    const auto errors = run_group(group);
    if (!spoiled_) open_->bodies().committed();
    auto& index = open_->index();
    const auto touched = index.take_touched();
    last_modseq_ = index.counters().modseq;
    // First the notice, so that who hears of his own change knows that it was told already.
    if (!touched.empty()) {
        behind = true;
        shared_->watchers.tell(name_, last_modseq_, touched);
    }
    for (std::size_t i = 0; i < group.size(); ++i) group[i].end(errors[i] ? &*errors[i] : nullptr);
}

std::vector<std::optional<base::Error>> Account::run_group(std::vector<Work>& group) {
    auto& index = open_->index();
    auto& db = index.db();
    const auto start = index.state();
    std::vector<std::optional<base::Error>> errors(group.size());
    const auto fail_all = [&](const base::Error& error) {
        for (auto& one : errors) {
            if (!one) one = error;
        }
        spoiled_ = spoiled_ || spoils(error);
        open_->bodies().drop();
        index.abandon(start);
        base::log::warning("store.write_failed", {{"account", name_.text()}, {"error", error.log_text}});
    };
    Transaction all(db);
    for (std::size_t i = 0; i < group.size(); ++i) {
        const auto before = index.state();
        Savepoint part(db);
        auto error = group[i].run(open_.get());
        if (auto good = db.take_error(); !good) {
            error = good.error();
            spoiled_ = spoiled_ || spoils(*error);
        }
        if (!db.in_transaction()) {  // SQLite gave it up by itself
            fail_all(error ? *error
                           : base::Error{base::ErrorKind::temporary, "4.3.0", "Temporary local problem",
                                         db.path() + ": the transaction was given up", EIO});
            return errors;
        }
        if (!error) {
            if (auto kept = part.keep(); !kept) error = kept.error();
        } else {
            part.roll_back();
        }
        if (error) index.restore(before);
        errors[i] = std::move(error);
    }
    if (std::ranges::all_of(errors, [](const auto& error) { return error.has_value(); })) {
        open_->bodies().drop();
        index.abandon(start);
        return errors;
    }
    if (auto synced = open_->bodies().sync(); !synced) {
        fail_all(synced.error());
        return errors;
    }
    index.write_counters();
    if (auto done = all.commit(); !done) fail_all(done.error());
    return errors;
}

void Account::close_now() {
    if (!open_) return;
    if (!spoiled_) {
        if (auto done = open_->index().close_clean(); !done)
            base::log::warning("store.close_failed", {{"account", name_.text()}, {"error", done.error().log_text}});
    }
    open_.reset();
    is_open_ = false;
    shared_->open_accounts.fetch_sub(1);
}

// ---- promised room

Account::Reserved Account::reserved() const {
    const std::lock_guard lock(mutex_);
    return {reserved_bytes_, reserved_.size()};
}

bool Account::has_reserved(const base::Ulid& id) const {
    const std::lock_guard lock(mutex_);
    return reserved_.contains(id);
}

void Account::reserve(const base::Ulid& id, std::uint64_t bytes) {
    const std::lock_guard lock(mutex_);
    reserved_[id] = bytes;
    reserved_bytes_ += bytes;
}

void Account::release(const base::Ulid& id) {
    const std::lock_guard lock(mutex_);
    const auto found = reserved_.find(id);
    if (found == reserved_.end()) return;
    reserved_bytes_ -= found->second;
    reserved_.erase(found);
}

// ---- open and closed

bool Account::idle() const {
    const std::lock_guard lock(mutex_);
    return is_open_ && !running_;
}

bool Account::forgettable() const {
    const std::lock_guard lock(mutex_);
    return !is_open_ && !running_ && reserved_.empty();
}

bool Account::shut(std::chrono::seconds patience) {
    {
        std::unique_lock lock(mutex_);
        if (!ended_.wait_for(lock, patience, [this] { return !running_; })) return false;
        running_ = true;  // what comes now waits for ever
    }
    close_now();
    return true;
}

}  // namespace posthorn::store
