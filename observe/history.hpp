// The event history: every event, written to append-only files for `mailctl trace`. Bounded by age and size, survives
// restarts. record() encodes the event into a bounded buffer, which a thread of its own writes: a disk that is slow,
// full or broken drops events and counts them, and never holds up a loop. Nothing is synced: a power loss may take the
// last seconds, which the log of the spool does not depend on.
//
// Files: <directory>/<milliseconds since 1970, 16 digits>.events, each an 8-octet head and records
// (observe/history_record.hpp). Only the newest is written to; whole files are removed at the old end.
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "base/config/table.hpp"
#include "base/disk.hpp"
#include "base/metrics.hpp"
#include "mail/event.hpp"

namespace posthorn::observe {

struct HistoryConfig {
    base::Duration max_age = std::chrono::hours(24 * 7);
    std::uint64_t max_size = std::uint64_t{1} << 30;  // octets of all files
    std::string directory;                            // data_dir/history; made when absent
};
base::config::Table<HistoryConfig> history_config_table();

inline constexpr std::string_view kHistoryHead = "PHHIST1\n";
inline constexpr std::size_t kHistoryBuffer = std::size_t{8} << 20;  // octets that wait to be written

bool is_history_file(std::string_view name);

class History final : public mail::EventSink {
public:
    // All outlive it.
    History(HistoryConfig config, base::Disk& disk, const base::Clock& clock, base::Metrics& metrics);
    ~History() override;  // writes what waits
    History(const History&) = delete;
    History& operator=(const History&) = delete;

    void record(const mail::Event& event) override;

    // Returns when what was recorded before is written or dropped. Blocks: not on a loop.
    void flush();

    const std::string& directory() const { return config_.directory; }
    std::uint64_t dropped() const { return dropped_.value(); }

private:
    struct Known {
        std::uint64_t size = 0;
        std::int64_t modified_ms = 0;
    };

    void run();
    void write(const std::string& batch, std::uint64_t events);
    base::Result<void> append(const std::string& batch);
    base::Result<void> take_stock();   // what is there of former lives
    base::Result<void> open_newest();  // goes on with the newest file, where it is short
    base::Result<void> open_fresh();
    void expire();
    std::string path(const std::string& name) const { return config_.directory + "/" + name; }

    const HistoryConfig config_;
    const std::uint64_t file_size_;  // from which on another is begun
    base::Disk& disk_;
    const base::Clock& clock_;
    base::Counter& recorded_;
    base::Counter& dropped_;
    base::Gauge& bytes_;

    std::mutex mutex_;
    std::condition_variable wake_;
    std::condition_variable written_;
    std::string pending_;
    std::uint64_t pending_events_ = 0;
    std::uint64_t put_ = 0;
    std::uint64_t done_ = 0;
    bool waiting_ = false;  // the writer sleeps until there is something
    bool urgent_ = false;   // somebody waits in flush()
    bool stopping_ = false;

    // The writer's own.
    std::map<std::string, Known> files_;  // by name: oldest first
    bool taken_stock_ = false;
    std::shared_ptr<base::File> file_;  // null: begin another
    std::string name_;
    std::uint64_t size_ = 0;
    std::int64_t begun_ms_ = 0;
    bool failing_ = false;

    std::thread thread_;  // last: it uses all of the above
};

}  // namespace posthorn::observe
