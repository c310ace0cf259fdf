// Opens the store on files. Called once at start, by server/, before any listener accepts.
#pragma once

#include <memory>

#include "base/clock.hpp"
#include "base/disk.hpp"
#include "base/metrics.hpp"
#include "base/result.hpp"
#include "net/pool.hpp"
#include "store/config.hpp"
#include "store/high_water.hpp"
#include "store/keeper.hpp"
#include "store/store.hpp"

namespace posthorn::store {

// All outlive the store but `config`. Calls block on `pool`'s threads; `high_water` may be null (then an old copy of
// an index is not noticed).
struct Ports {
    base::Disk& disk;
    net::Pool& pool;
    const base::Clock& clock;
    base::Metrics& metrics;
    HighWater* high_water = nullptr;
};

// The store that server/ holds: the ports, and what only the composition root does.
class Backend : public Store, public Keeper {
public:
    // The garbage worker, on `loop`, until stop().
    virtual void start(net::Loop& loop) = 0;
    // No further calls; open accounts are closed. Blocking; after sessions and deliveries ended, before `pool` goes.
    virtual void stop() = 0;
};

// A permanent error is a refusal to start, to be shown to the operator as it stands.
base::Result<std::unique_ptr<Backend>> open_store(Config config, Ports ports);

// The same as Keeper's, of an account of a store that nobody runs; blocking. While the server has it open: temporary, EBUSY.
base::Result<CheckReport> check_offline(const Config& config, Ports ports, const mail::AccountName& account,
                                        bool bodies);
base::Result<RepairReport> repair_offline(const Config& config, Ports ports, const mail::AccountName& account);

}  // namespace posthorn::store
