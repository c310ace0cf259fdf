// The bytes of an account's mail: small bodies one behind the other in pack files, large ones in a file each.
// docs/store.md has the format.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "store/impl/body_store.hpp"

namespace posthorn::store {

struct FoundBody {
    BodyNote note;
    Place place;
};

class Bodies final : public BodyStore {
public:
    // `folder` is there. Packs that reach `pack_size` octets are followed by a new one.
    static base::Result<std::unique_ptr<Bodies>> open(base::Disk& disk, std::string folder,
                                                      std::uint64_t pack_size);

    base::Result<bool> may_begin() const override;  // without bodies
    base::Result<void> attach(Index& index) override;
    // Gathers it for the next sync().
    base::Result<Place> add(const BodyNote& note, std::string_view prefix, const Source& source) override;
    base::Result<Place> adopt(const BodyNote& note, const std::string& staged, std::uint64_t size,
                              std::uint32_t crc) override;
    // After an error the pack is left behind.
    base::Result<void> sync() override;
    void drop() override;
    // The large files of what was rolled back go: their ids are given again.
    void committed() override;
    bool news() override { return false; }
    base::Result<void> take_news() override { return {}; }

    base::Result<std::shared_ptr<base::File>> open(EmailId email, const Place& place) override;
    base::Result<void> remove(EmailId email, const Place& place) override;
    base::Result<void> sweep(GarbageReport& report) override;  // garbage.cpp
    void check(bool read, CheckReport& report) override;       // check.cpp
    base::Result<std::vector<EmailId>> mend(RepairReport& report, ModSeq used) override;
    base::Result<void> reconcile(RepairReport& report) override;  // repair.cpp
    // Looks at the pack again before it is written to: one that has a link elsewhere is not.
    std::vector<std::string> leave() override;

    base::Result<void> remove_large(EmailId email);
    base::Result<void> remove_pack(std::uint64_t pack);
    std::uint64_t current_pack() const { return number_; }
    // Octets of each pack file, by number; and the emails that have a file of their own.
    base::Result<std::vector<std::pair<std::uint64_t, std::uint64_t>>> packs() const;
    base::Result<std::vector<EmailId>> large() const;
    // The bodies of a pack, damage between them skipped.
    base::Result<std::vector<FoundBody>> scan(std::uint64_t pack) const;
    base::Result<FoundBody> scan_large(EmailId email) const;
    // What stands before a body of a pack.
    static std::optional<BodyNote> note_of(const base::File& pack, const Place& place);
    const std::string& folder() const { return folder_; }

private:
    Bodies(base::Disk& disk, std::string folder, std::uint64_t pack_size)
        : disk_(disk), folder_(std::move(folder)), pack_size_(pack_size) {}
    std::string pack_path(std::uint64_t number) const;
    std::string large_path(EmailId email) const;
    base::Result<void> next_pack();
    base::Result<void> rewrite(std::uint64_t pack);

    base::Disk& disk_;
    Index* index_ = nullptr;
    std::string folder_;
    std::uint64_t pack_size_;
    std::uint64_t number_ = 0;          // of the pack that is written; 0: none yet
    std::shared_ptr<base::File> file_;  // null: to be opened, or made
    std::uint64_t end_ = 0;             // octets of it that are written
    std::string gathered_;              // behind end_
    bool folder_dirty_ = false;
    std::set<EmailId> adopted_;  // large bodies whose rows may yet be rolled back
    std::uint64_t read_number_ = 0;  // of the pack that was last read, other than the one written to
    std::shared_ptr<base::File> read_file_;
};

// Reads all of a body and holds it against its sum.
base::Result<bool> intact(const base::File& file, const Place& place);

}  // namespace posthorn::store
