// Where an account's bytes are: what stands between its index and its files. Two kinds: packs (bodies.hpp), where the
// index is the truth and nobody else has business, and a Maildir (maildir.hpp), which others read and write, too.
// Used in the account's turn, by one thread at a time; reads of what is open may go on beside.
//
// The rule: add() and adopt(), then sync(), then the commit of the rows that point there, then committed().
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/disk.hpp"
#include "base/ulid.hpp"
#include "store/body.hpp"
#include "store/impl/place.hpp"
#include "store/keeper.hpp"
#include "store/values.hpp"

namespace posthorn::store {

class Index;

// What is kept of a body beside its bytes, for the day the index is lost.
struct BodyNote {
    EmailId email = 0;
    MailboxId mailbox = 0;
    base::WallTime received{};
    base::Ulid delivery;  // zeros: not a delivery
};

class BodyStore {
public:
    virtual ~BodyStore() = default;

    // ---- at an account's opening
    // Whether an index may be made where there is none: not where mail would be forgotten by it.
    virtual base::Result<bool> may_begin() const = 0;
    // Outlives this. Before anything below.
    virtual base::Result<void> attach(Index& index) = 0;

    // ---- mail comes in, within a transaction of the index
    // `size` octets come from prefix and source.
    virtual base::Result<Place> add(const BodyNote& note, std::string_view prefix, const Source& source) = 0;
    // The file `staged`, whose content is synced, becomes the body of this email.
    virtual base::Result<Place> adopt(const BodyNote& note, const std::string& staged, std::uint64_t size,
                                      std::uint32_t crc) = 0;
    // All that was added is durable. After an error none of it is.
    virtual base::Result<void> sync() = 0;
    virtual void drop() = 0;  // what was added since the last sync(): the transaction was rolled back
    // The rows are durable: the files follow them. What fails is logged, and tried again the next time.
    virtual void committed() = 0;

    // ---- what others did to the files
    // Something may have happened that the index has not heard of.
    virtual bool news() = 0;
    // Within a transaction: some of it goes into the index; news() tells whether there is more.
    virtual base::Result<void> take_news() = 0;

    // ---- bytes go out
    virtual base::Result<std::shared_ptr<base::File>> open(EmailId email, const Place& place) = 0;

    // ---- keeping it
    // Of an email whose row is gone.
    virtual base::Result<void> remove(EmailId email, const Place& place) = 0;
    // What is dead beside that, a step of it.
    virtual base::Result<void> sweep(GarbageReport& report) = 0;
    // The rows' bodies against the files, both ways. `read`: each is held against its sum.
    virtual void check(bool read, CheckReport& report) = 0;
    // Within a transaction, of an index that was made anew or begun with a snapshot (RepairReport::index_was_lost), or
    // of one that opened: rows for bodies it does not know, none for those that are lost. Answers files that belong to
    // no email. `used`: how far modseq may have come before the index was lost.
    virtual base::Result<std::vector<EmailId>> mend(RepairReport& report, ModSeq used) = 0;
    // Within a transaction, of an index that is an older copy: rows for bodies newer than it, before anything takes them for
    // dead. A kind that hears of unknown files anyway has nothing to do.
    virtual base::Result<void> reconcile(RepairReport&) { return {}; }
    // Folders below the account's that a backup takes, whose files are not changed any more after this call, but
    // removed or renamed.
    virtual std::vector<std::string> leave() = 0;
};

}  // namespace posthorn::store
