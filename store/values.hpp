// What the store's port speaks of: plain values.
//
// An **email** is immutable: bytes, size, received time, summary, thread. A **membership** puts an email into a mailbox
// under a UID, with flags of its own. IMAP and POP3 see memberships, JMAP sees emails.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "store/uid_set.hpp"

namespace posthorn::store {

// Ids are given once in an account's life, strictly increasing, never again: fit for RFC 8474's EMAILID, MAILBOXID,
// THREADID and JMAP's ids. 0 is none.
using MailboxId = std::uint64_t;
using EmailId = std::uint64_t;
using ThreadId = std::uint64_t;
using Uid = std::uint32_t;          // RFC 9051 §2.3.1.1
using UidValidity = std::uint32_t;  // never goes back
using ModSeq = std::uint64_t;       // one counter an account; below 2^63 (RFC 7162 §3.1); the state of JMAP

// ---- flags: system flags and keywords as bits. A keyword's bit holds for the whole account and never changes.
using Flags = std::uint64_t;
namespace flag {
inline constexpr Flags seen = 1;
inline constexpr Flags answered = 2;
inline constexpr Flags flagged = 4;
inline constexpr Flags deleted = 8;
inline constexpr Flags draft = 16;
inline constexpr Flags system = 31;
inline constexpr unsigned first_keyword = 5;  // bit of keyword 0
inline constexpr unsigned max_keywords = 58;  // so that flags are a positive int64
inline constexpr Flags keyword(unsigned index) { return Flags{1} << (first_keyword + index); }
}  // namespace flag
// Names by index; compared without case (RFC 9051 §2.3.2), kept as first written. "$Forwarded", "$Junk", …
using Keywords = std::vector<std::string>;
// A keyword is an atom of at most 128 octets and does not begin with a backslash.
bool valid_keyword(std::string_view name);

struct FlagChange {
    enum class How : std::uint8_t { add, remove, replace };
    How how = How::add;
    Flags system = 0;                         // of flag::system
    Keywords keywords{};                      // new ones are made, but for `remove`
    std::optional<ModSeq> unchanged_since{};  // RFC 7162 §3.1.3: what changed after it is left alone
};

// ---- mailboxes
enum class Role : std::uint8_t { none, inbox, drafts, sent, junk, trash, archive, all, flagged, important };
std::string_view name(Role role);  // "drafts" …, as RFC 8621 §2 writes them; "" for none
std::optional<Role> parse_role(std::string_view name);

inline constexpr char kSeparator = '/';
inline constexpr std::size_t kMaxMailboxName = 1000;  // octets
// The form in which a mailbox's name is kept: UTF-8 without control characters, levels parted by '/', none empty,
// none "." or ".."; a first level "inbox" of any case becomes "INBOX". Nothing when it can be none.
std::optional<std::string> mailbox_name(std::string_view name);

// A mailbox of which somebody knows UIDs. They mean something as long as its UIDVALIDITY is the one under which he read
// them: after a backup was restored or an index made again they may be those of other messages.
struct UidScope {
    MailboxId mailbox = 0;
    UidValidity validity = 0;
    bool operator==(const UidScope&) const = default;
};

struct Mailbox {
    MailboxId id = 0;
    std::string name;  // full: "Work/2026"
    Role role = Role::none;
    bool subscribed = false;
    std::uint32_t sort_order = 0;
    UidValidity uid_validity = 0;
    Uid uid_next = 1;
    ModSeq highest_modseq = 0;  // of its memberships
    std::uint64_t messages = 0;
    std::uint64_t unseen = 0;   // without \Seen
    std::uint64_t deleted = 0;  // with \Deleted
    std::uint64_t bytes = 0;

    UidScope scope() const { return {id, uid_validity}; }
};

// What is in a mailbox, 40 octets a message: SELECT and POP3's maildrop.
struct Entry {
    EmailId email = 0;
    ModSeq modseq = 0;
    Flags flags = 0;
    std::uint64_t size = 0;
    Uid uid = 0;
};
struct Snapshot {
    Mailbox mailbox;
    std::vector<Entry> entries;  // by UID
    Keywords keywords;           // of the account
};

// One message of a mailbox, for FETCH.
struct Message {
    Entry entry;
    base::WallTime received{};
    ThreadId thread = 0;
    std::string summary{};  // where it was asked for
};

// What happened in a mailbox after `since` (RFC 7162): all that is new or has other flags, and what is gone.
struct MailboxChanges {
    bool too_old = false;  // the log does not reach back so far: take a snapshot
    Mailbox mailbox;
    std::vector<Entry> changed;  // by UID
    UidSet vanished;
    Keywords keywords;
};

// ---- emails, for JMAP
struct Membership {
    MailboxId mailbox = 0;
    Uid uid = 0;
    Flags flags = 0;
};
struct Email {
    EmailId id = 0;
    ThreadId thread = 0;
    std::uint64_t size = 0;
    base::WallTime received{};
    std::vector<Membership> memberships;
    std::string summary{};
};
struct IdChanges {
    IdSet created;
    IdSet updated;
    IdSet destroyed;
};
struct AccountChanges {
    bool too_old = false;  // cannotCalculateChanges
    ModSeq state = 0;      // up to which this tells; ask on from here
    bool more = false;     // there is more behind it
    IdChanges emails;
    IdChanges mailboxes;
    IdSet threads;  // that got, lost or changed an email
};

// ---- quota
struct Quota {  // 0: no limit
    std::uint64_t bytes = 0;
    std::uint64_t messages = 0;
};
struct AccountState {
    ModSeq modseq = 0;
    std::uint64_t bytes = 0;     // of emails that are in a mailbox, each once
    std::uint64_t messages = 0;  // so too
    std::uint64_t reserved_bytes = 0;
    std::uint64_t reserved_messages = 0;
    std::uint64_t expunged_messages = 0;  // that undelete() could bring back
    std::uint64_t expunged_bytes = 0;
    Keywords keywords;
};

// ---- answers
struct Added {
    UidValidity uid_validity = 0;
    MailboxId mailbox = 0;
    Uid uid = 0;
    EmailId email = 0;
    ThreadId thread = 0;
    ModSeq modseq = 0;
    bool duplicate = false;  // of deliver(): it had come before; the rest but `modseq` is 0 then
};
struct FlagsChanged {
    ModSeq modseq = 0;           // the highest
    std::vector<Entry> entries;  // each UID that was named, is there and was not left alone, as it is now
    UidSet modified;             // left alone: changed after unchanged_since
    Keywords keywords;
};
struct Copied {
    UidValidity uid_validity = 0;           // of the mailbox they went to
    std::vector<std::pair<Uid, Uid>> uids;  // from, to; by `from`
    ModSeq modseq = 0;
};
struct Expunged {
    UidSet uids;
    ModSeq modseq = 0;
};

// ---- notices
struct Notice {
    ModSeq modseq = 0;                 // changes() since what you know tells the rest
    std::vector<MailboxId> mailboxes;  // in which something happened, or that came, went or changed
};

}  // namespace posthorn::store
