// Finds life stories in the event history: of a message, a Message-ID, an address, a client or a session. Works in short
// steps, so that whoever reads on a pool can go on to something else, send what was found, or stop. One thread at a time.
//
// Two passes: the first finds which messages and sessions are meant (the newest `limit`), the second tells all that
// happened to them and in the sessions they came by.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "base/disk.hpp"
#include "mail/event.hpp"
#include "observe/history_record.hpp"

namespace posthorn::observe {

struct HistoryQuery {
    std::string what;        // as the operator gave it
    base::WallTime since{};  // older events are not looked at
    std::size_t limit = 50;  // stories
};

class HistorySearch {
public:
    // Nothing when `what` is nothing that can be looked for. `disk` outlives it.
    static std::unique_ptr<HistorySearch> make(base::Disk& disk, std::string directory, const HistoryQuery& query);

    // All events since then.
    static std::unique_ptr<HistorySearch> all(base::Disk& disk, std::string directory, base::WallTime since);

    // Reads on for at most about a megabyte and appends what it found, in the order it was written. False: that was
    // all. Blocks.
    base::Result<bool> step(std::vector<mail::Event>& out);

    std::uint64_t stories() const { return stories_; }       // found
    std::uint64_t untold() const { return untold_; }         // of these beyond the limit
    std::uint64_t damaged() const { return scan_.damaged; }  // places that could not be read

private:
    struct Scan {
        base::Disk& disk;
        std::string directory;
        std::vector<std::string> files;  // still to be read, newest first: taken from the back
        std::shared_ptr<base::File> file;
        std::uint64_t offset = 0;
        std::string buffer;
        std::size_t used = 0;  // of the buffer
        bool end_of_file = false;
        std::uint64_t damaged = 0;

        base::Result<void> begin(std::int64_t since_ms);
        bool next(std::string_view& payload, std::size_t& budget);
        bool fill();
        bool open();
    };
    struct Story {
        std::optional<base::Ulid> message;
        std::string session;
    };
    enum class Phase : std::uint8_t { start, find, tell, end };

    HistorySearch(base::Disk& disk, std::string directory, const HistoryQuery& query);
    bool matches(const EventKeys& keys) const;
    bool told(const EventKeys& keys) const;
    void note(const EventKeys& keys);
    void found_all();

    Scan scan_;
    HistoryQuery query_;
    std::optional<base::Ulid> id_;  // what is looked for
    std::string session_;
    std::string client_ip_;
    std::string text_;  // an address or a Message-ID
    bool all_ = false;
    Phase phase_ = Phase::start;
    std::deque<Story> found_;
    std::int64_t since_ms_ = 0;
    std::int64_t first_ms_ = 0;  // of the events found
    std::set<base::Ulid> messages_;
    std::unordered_set<std::string> sessions_;  // all their events that belong to no message
    std::uint64_t stories_ = 0;
    std::uint64_t untold_ = 0;
};

}  // namespace posthorn::observe
