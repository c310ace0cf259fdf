// What the store is told by the configuration. Read once at start.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "base/clock.hpp"
#include "base/config/table.hpp"

namespace posthorn::store {

enum class BackendKind : std::uint8_t { packs, maildir };

struct Config {
    std::string directory;  // [server] data_dir + "/data"; made when absent
    BackendKind backend = BackendKind::packs;

    std::uint64_t pack_limit = std::uint64_t{64} << 10U;  // octets: a body up to here goes into a pack file
    std::uint64_t pack_size = std::uint64_t{32} << 20U;   // octets: a pack that has them is followed by a new one
    std::uint32_t max_open_accounts = 512;                // three descriptors each
    std::uint32_t threads = 8;                            // whose disks' syncs run side by side

    base::Duration undelete_grace = std::chrono::hours(24 * 7);  // 0: nothing is kept
    base::Duration garbage_interval = std::chrono::minutes(15);
    std::uint32_t garbage_batch = 500;  // messages of one account in one step
    base::Duration garbage_pause = std::chrono::milliseconds(200);
    base::Duration change_log_age = std::chrono::hours(24 * 30);
    std::uint32_t change_log_rows = 20'000;                     // of one account
    base::Duration snapshot_interval = std::chrono::hours(24);  // 0: none

    // Of which accounts a full-text index is kept.
    enum class SearchIndex : std::uint8_t { never, searched, always } search_index = SearchIndex::searched;
    std::uint64_t search_text_limit = std::uint64_t{1} << 20U;  // octets of a message's text that it keeps
    base::Duration search_interval = std::chrono::seconds(10);  // between looks at what is new
    std::uint32_t search_batch = 200;                           // messages taken into it in one step
    base::Duration search_pause = std::chrono::milliseconds(50);
};

// Keys of [store].
base::config::Table<Config> config_table();

}  // namespace posthorn::store
