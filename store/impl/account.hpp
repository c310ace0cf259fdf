// An account's turn: what is asked of it waits in a queue, and one thread at a time works on that. Writes that wait
// together are one transaction and one sync (group commit), each within a savepoint of its own; their callers hear of
// it after the commit.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "base/metrics.hpp"
#include "store/impl/open_account.hpp"

namespace posthorn::store {

struct Work {
    enum class Kind : std::uint8_t {
        read,
        write,  // in a transaction, with others
        bulk,   // the same; may give many UIDs
        alone,  // outside of a transaction; what it does in the index it commits itself
        close,  // closes the account before `run` is called
    };
    Kind kind = Kind::read;
    // An error: what it did is rolled back. Of `close`: called with null.
    std::move_only_function<std::optional<base::Error>(OpenAccount*)> run;
    // Once, at last: null, or why it was not done (that may be other than run()'s answer: the commit failed).
    std::move_only_function<void(const base::Error*)> end;
};

class Account : public std::enable_shared_from_this<Account> {
public:
    Account(std::shared_ptr<Shared> shared, mail::AccountName name);
    ~Account();

    const mail::AccountName& name() const { return name_; }
    // False: the pool takes no more; `work` was dropped unrun and unended. Any thread.
    bool submit(Work work);

    // ---- room that was promised; any thread
    struct Reserved {
        std::uint64_t bytes = 0;
        std::uint64_t messages = 0;
    };
    Reserved reserved() const;
    bool has_reserved(const base::Ulid& id) const;
    void reserve(const base::Ulid& id, std::uint64_t bytes);
    void release(const base::Ulid& id);

    // ---- for the one who keeps the number of open accounts in bounds
    std::atomic<std::uint64_t> used{0};  // when it was last asked something
    std::atomic<bool> behind{false};     // it has mail that its full-text index may not know
    bool open() const { return is_open_; }
    // Open, with nothing to do.
    bool idle() const;
    bool forgettable() const;  // closed, with nothing to do and nothing promised
    // Closes it on this thread, once no turn is under way; for the end. False: a turn does not end.
    bool shut(std::chrono::seconds patience);

    struct Counts {  // by domain
        base::Counter* delivered = nullptr;
        base::Counter* duplicate = nullptr;
        base::Counter* over_quota = nullptr;
        base::Counter* failed = nullptr;
        base::Histogram* duration = nullptr;
        base::Histogram* size = nullptr;
    };
    const Counts& counts() const { return counts_; }
    ModSeq last_modseq() const { return last_modseq_; }  // in turn

private:
    void turn();
    base::Result<void> make_ready();
    void work_on(std::deque<Work>& works);
    base::Result<void> hear();
    void write_group(std::vector<Work>& group);
    // The errors of the group's members; those that went well have none.
    std::vector<std::optional<base::Error>> run_group(std::vector<Work>& group);
    void close_now();

    std::shared_ptr<Shared> shared_;
    mail::AccountName name_;
    Counts counts_;

    mutable std::mutex mutex_;
    std::condition_variable ended_;
    std::deque<Work> waiting_;
    bool running_ = false;
    std::map<base::Ulid, std::uint64_t> reserved_;
    std::uint64_t reserved_bytes_ = 0;

    // In turn.
    std::unique_ptr<OpenAccount> open_;
    std::atomic<bool> is_open_{false};
    ModSeq last_modseq_ = 0;  // committed by this process
    bool fresh_ = true;       // nothing was reserved in the mark since it was opened
    bool spoiled_ = false;    // the index said something that it is not to be trusted after: close it
};

}  // namespace posthorn::store
