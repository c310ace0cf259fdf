// A disk in memory that fails where it is told to and, when the power goes, forgets what was not synced: of the
// pages of a file written since its last sync any subset survives, of the changes of a directory since its last sync
// any subset that makes sense does. Deterministic by seed. Any thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/disk.hpp"
#include "base/random.hpp"

namespace posthorn::test {

enum class DiskOp { open, read, write, sync, rename, unlink, sync_directory, truncate, reserve, list };

class FaultDisk final : public base::Disk {
public:
    explicit FaultDisk(std::uint64_t seed = 1) : random_(seed) {}

    // ---- faults: counted over operations that change or sync (write, sync, rename, unlink, sync_directory,
    // truncate, reserve, open with create) from now on; the nth (from 0) fails with `code`, and `count - 1` more.
    void fail_at(std::size_t nth, int code, std::size_t count = 1);
    void fail_never();
    // Each operation asks this first; a non-zero answer is the errno it fails with.
    void fail_if(std::function<int(DiskOp, const std::string& path)> rule);
    std::size_t operations() const;  // that change or sync, ever
    void set_free(std::uint64_t octets);
    void set_persistence(base::Persistence p) { persistence_ = p; }

    // ---- the power goes: open files of before are dead (each call fails with EIO); what is left is what was
    // durable, and of the rest what chance kept.
    void power_loss();
    // As a kill: nothing is lost, but open files are dead.
    void kill();
    // The same, asked of each change of a name (one question for both halves of a rename) and of each page: does it
    // survive? Twice the same answers give the same disk.
    void power_loss(const std::function<bool()>& survives);
    std::size_t unsynced() const;  // how many of these there are
    // The power goes before the nth operation (counted as by fail_at): from then on nothing happens any more, each
    // call fails, and power_loss() says what was left.
    void cut_at(std::size_t nth);
    bool cut() const;
    // A disk of the same content and the same unsynced changes.
    std::shared_ptr<FaultDisk> copy() const;

    // For tests that spoil or look at a file.
    std::string content(const std::string& path) const;
    void overwrite(const std::string& path, std::uint64_t offset, std::string_view bytes);
    void put(const std::string& path, std::string content);  // durable at once
    bool exists(const std::string& path) const;

    base::Result<std::shared_ptr<base::File>> open(const std::string& path, base::OpenMode mode) override;
    base::Result<void> rename(const std::string& from, const std::string& to) override;
    base::Result<void> unlink(const std::string& path) override;
    base::Result<void> sync_directory(const std::string& path) override;
    base::Result<void> make_directory(const std::string& path, unsigned mode) override;
    base::Result<std::vector<std::string>> list(const std::string& path) override;
    base::Result<base::FileStatus> status(const std::string& path) override;
    base::Result<base::Space> space(const std::string& path) override;
    base::Result<base::Persistence> persistence(const std::string& path) override;

private:
    friend class FaultFile;
    static constexpr std::size_t kPage = 4096;

    struct Node {
        std::string now;                // what a read sees
        std::string durable;            // as of the last sync
        std::set<std::uint64_t> dirty;  // pages
        std::uint64_t inode = 0;
    };
    using Names = std::map<std::string, std::shared_ptr<Node>>;  // by full path
    struct Change {                                              // of a directory, not synced yet
        std::string path;
        std::shared_ptr<Node> node;  // null: the name went away
        std::string pair;            // a rename's other name: both happen or none
    };

    static base::FileStatus status_of(const Node& node);
    std::optional<base::Error> check(DiskOp op, const std::string& path);  // locked
    bool dead() const { return operations_ > cut_at_; }                    // locked
    void change(const std::string& path, std::shared_ptr<Node> node, std::string pair = {});

    mutable std::mutex mutex_;
    base::SeededRandom random_;
    Names names_;
    Names durable_names_;
    std::vector<Change> changes_;
    std::set<std::string> directories_;
    std::uint64_t next_inode_ = 100;
    std::uint64_t epoch_ = 0;
    std::uint64_t free_ = std::uint64_t{1} << 40;
    base::Persistence persistence_ = base::Persistence::durable;
    std::size_t operations_ = 0;
    std::size_t cut_at_ = SIZE_MAX;
    std::size_t fail_from_ = SIZE_MAX;
    std::size_t fail_until_ = SIZE_MAX;
    int fail_code_ = 0;
    std::function<int(DiskOp, const std::string&)> rule_;
};

}  // namespace posthorn::test
