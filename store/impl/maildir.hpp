// A Maildir++ as the place of an account's bodies: docs/store.md and docs/decisions/0015-maildir.md have how it works.
//
// The index is the truth of what was done through us: after each commit the files follow what the change log tells, and
// `done` says how far they have. What others do to the files goes into the index as soon as it is heard of. What is
// known of a file is its base (its name without flags), the name it had when it was last seen, and by that what they
// changed: so flags that two set at once are both kept.
//
// Its tables stand in the account's index.sqlite.
#pragma once

#include <map>
#include <set>

#include "base/random.hpp"
#include "store/impl/body_store.hpp"
#include "store/impl/index.hpp"
#include "store/impl/maildir_keywords.hpp"
#include "store/impl/maildir_name.hpp"
#include "store/impl/shared.hpp"

namespace posthorn::store {

class Maildir final : public BodyStore {
public:
    static base::Result<std::unique_ptr<Maildir>> open(Shared& shared, const mail::AccountName& account);
    ~Maildir() override;
    Maildir(const Maildir&) = delete;
    Maildir& operator=(const Maildir&) = delete;

    base::Result<bool> may_begin() const override { return true; }  // an index is made again from the files alone
    base::Result<void> attach(Index& index) override;
    base::Result<Place> add(const BodyNote& note, std::string_view prefix, const Source& source) override;
    base::Result<Place> adopt(const BodyNote& note, const std::string& staged, std::uint64_t size,
                              std::uint32_t crc) override;
    base::Result<void> sync() override;
    void drop() override;
    void committed() override;  // maildir_follow.cpp
    bool news() override;       // maildir_look.cpp
    base::Result<void> take_news() override;
    base::Result<std::shared_ptr<base::File>> open(EmailId email, const Place& place) override;
    base::Result<void> remove(EmailId email, const Place& place) override;
    base::Result<void> sweep(GarbageReport& report) override;
    void check(bool read, CheckReport& report) override;  // maildir_keep.cpp
    base::Result<std::vector<EmailId>> mend(RepairReport& report, ModSeq used) override;
    std::vector<std::string> leave() override;

private:
    struct Folder {
        std::string path;  // below the Maildir: "" or ".A.B"
        maildir::LetterTable letters;
    };
    struct File {
        Uid uid = 0;
        EmailId email = 0;
        std::string base;
        std::string name;  // "cur/…" or "new/…"
    };
    struct Todo {
        std::set<MailboxId> mailboxes;
        std::map<MailboxId, UidSet> there;  // memberships that came or changed
        std::map<MailboxId, UidSet> gone;
    };
    struct Looked {                                         // what is other in a folder than it was known
        std::vector<std::pair<File, std::string>> renamed;  // and the name it has now
        std::vector<std::string> fresh;                     // names
        std::vector<File> gone;
    };

    Maildir(Shared& shared, mail::AccountName account);

    // ---- names and places
    base::sqlite::Database& db() { return index_->db(); }
    std::string at(const std::string& path) const { return path.empty() ? root_ : root_ + '/' + path; }
    std::string grave(EmailId email) const;
    Folder* folder(MailboxId mailbox);  // null: it has none
    std::optional<MailboxId> mailbox_at(const std::string& path);
    std::optional<File> file(MailboxId mailbox, Uid uid);
    std::string staged(EmailId email);  // its base; "": it is not
    void put_file(MailboxId mailbox, const File& file);
    // By the base of a file whose name has changed; "": it is not there.
    std::string find_name(const Folder& folder, std::string_view base);
    base::Result<void> make_folders(const std::string& path, const std::string& name);
    base::Result<void> write_marker(const std::string& folder, const std::string& name);
    base::Result<std::string> stage(const BodyNote& note, std::uint64_t size);
    base::Result<std::string> path_of(EmailId email);  // where its bytes are; ENOENT
    void listen(const std::string& path);

    // ---- the files follow the index (maildir_follow.cpp)
    base::Result<void> follow(const std::set<std::pair<MailboxId, Uid>>& behind);
    Todo todo();
    base::Result<void> follow_mailboxes(const std::set<MailboxId>& mailboxes, std::vector<MailboxId>& removed);
    base::Result<void> make_folder(MailboxId mailbox, const std::string& name);
    base::Result<void> rename_folder(MailboxId mailbox, const std::string& to, const std::string& name);
    base::Result<void> remove_folder(MailboxId mailbox);
    base::Result<void> settle(MailboxId mailbox, Uid uid);
    base::Result<void> settle_name(MailboxId mailbox, Folder& folder, const File& known, Flags flags);
    base::Result<File> bring(Folder& folder, const Mailbox& mailbox, Uid uid, EmailId email, Flags flags);
    base::Result<void> take_away(MailboxId mailbox, Uid uid);
    void clear_rolled_back();
    base::Result<void> clear_staged();
    base::Result<void> sync_touched();
    std::string wanted(Folder& folder, std::string_view base, std::string_view letters, Flags flags, bool fresh);

    // ---- the index follows the files (maildir_look.cpp)
    void hear();
    bool expected(const std::string& directory, const std::string& name, bool came);
    base::Result<void> look_folders();
    base::Result<void> take_folder(const std::string& path);
    base::Result<void> drop_folder(MailboxId mailbox);
    base::Result<bool> look(const std::string& path);  // false: there is more
    base::Result<Looked> compare(MailboxId mailbox, const Folder& folder);
    base::Result<void> take_learned(MailboxId mailbox, Folder& folder);
    base::Result<void> take_renamed(MailboxId mailbox, Folder& folder, const Looked& looked);
    base::Result<void> take_gone(MailboxId mailbox, const Looked& looked);
    bool take_fresh(MailboxId mailbox, Folder& folder, const std::string& name);
    void flags_of(Folder& folder, std::string_view letters, Flags& system, Keywords& keywords);
    void forget_lost(const std::vector<EmailId>& emails);
    base::Result<std::vector<EmailId>> orphans();

    Shared& shared_;
    base::Disk& disk_;
    const mail::AccountName account_;
    const std::string account_folder_;
    const std::string root_;  // the Maildir
    const std::unique_ptr<base::Random> random_ = base::system_random();
    Index* index_ = nullptr;
    ModSeq done_ = 0;                                     // up to which the files have followed
    std::map<MailboxId, Folder> folders_;                 // as far as they were asked for
    std::vector<std::pair<EmailId, std::string>> added_;  // since the last commit: staged under these bases
    bool staging_dirty_ = false;
    std::set<std::string> touched_;               // directories whose entries are not durable
    std::set<std::pair<MailboxId, Uid>> behind_;  // names that do not tell their flags
    bool all_unknown_ = true;                     // nobody has looked at anything
    bool folders_unknown_ = false;
    std::set<std::string> unknown_;  // folders that may be other than they are known
    bool looking_ = false;           // what was seen is not committed yet
    std::uint64_t budget_ = 0;       // of messages that one turn still takes
    bool deaf_ = false;              // the kernel watches no more: it was logged
};

}  // namespace posthorn::store
