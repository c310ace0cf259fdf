// What all accounts of one store use.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "base/clock.hpp"
#include "base/disk.hpp"
#include "base/metrics.hpp"
#include "net/pool.hpp"
#include "store/config.hpp"
#include "store/high_water.hpp"
#include "store/impl/maildir_watch.hpp"
#include "store/watchers.hpp"

namespace posthorn::store {

struct Shared {
    Config config;
    base::Disk& disk;
    net::Pool& pool;
    const base::Clock& clock;
    HighWater* high_water = nullptr;  // null: none is kept
    base::Metrics& metrics;
    Watchers watchers{};
    std::unique_ptr<MaildirWatch> maildir_watch{};  // null: nobody listens; set once, before accounts are open
    std::atomic<std::uint64_t> next_staged{1};
    std::atomic<std::int64_t> forget_before{0};  // deliveries older than this, ms since 1970
    std::atomic<std::size_t> open_accounts{0};
    base::Counter& indexed = metrics.counter("posthorn_store_search_indexed_total",
                                             "Messages whose text went into a full-text index in the background.");

    std::string folder(const mail::AccountName& account) const { return config.directory + '/' + account.path(); }
    std::string staging() const { return config.directory + "/.tmp"; }
};

}  // namespace posthorn::store
