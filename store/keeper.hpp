// What an operator does with an account of the store, running or not. Calls wait for the account's turn and take it
// for as long as they last; other accounts go on.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "mail/account.hpp"
#include "net/loop.hpp"
#include "net/task.hpp"

namespace posthorn::store {

struct CheckReport {
    std::uint64_t emails = 0;  // rows, expunged ones too
    std::uint64_t octets = 0;
    std::uint64_t missing = 0;       // bodies that a row points to and that are not there, or not whole
    std::uint64_t damaged = 0;       // bodies that are not what was stored
    std::uint64_t orphans = 0;       // files of large bodies without a row
    std::uint64_t dead = 0;          // octets in packs that no row points to
    std::uint64_t findings = 0;      // all that is wrong, orphans too; dead octets are nothing wrong
    std::vector<std::string> texts;  // the first of them, in words

    static constexpr std::size_t kMaxTexts = 100;
};

struct RepairReport {
    bool index_was_lost = false;  // and made again: every client reads its mailboxes anew
    std::string snapshot;         // from which; empty: from the bodies alone
    std::uint64_t recovered = 0;  // emails that the snapshot did not know
    std::uint64_t dropped = 0;    // emails whose bodies are lost
    std::uint64_t orphans_removed = 0;
    bool counted_anew = false;
};

struct BackupReport {
    std::uint64_t messages = 0;
    std::uint64_t files = 0;
    std::uint64_t octets = 0;
};

struct GarbageReport {
    std::uint64_t buried = 0;         // emails that are gone for good
    std::uint64_t packs_removed = 0;  // among them packs that were rewritten
    std::uint64_t octets_freed = 0;
    bool more = false;  // there is more to do
};

// Errors as the store's: ENOENT no such account.
class Keeper {
public:
    virtual ~Keeper() = default;
    template <class T>
    using Task = net::Task<base::Result<T>>;

    // `bodies`: each is read and held against its sum.
    virtual Task<CheckReport> check(net::Loop& loop, mail::AccountName account, bool bodies) = 0;
    virtual Task<RepairReport> repair(net::Loop& loop, mail::AccountName account) = 0;
    // Into `folder`, an absolute path, which is made and must not be there. Bodies are linked where that can be.
    virtual Task<BackupReport> backup(net::Loop& loop, mail::AccountName account, std::string folder) = 0;
    // What backup() made takes the place of what the account has; clients read their mailboxes anew.
    virtual Task<BackupReport> restore(net::Loop& loop, mail::AccountName account, std::string folder) = 0;
    // Emails expunged since then come back, as far as they have not been thrown away; how many.
    virtual Task<std::uint64_t> undelete(net::Loop& loop, mail::AccountName account, base::WallTime since) = 0;
    // Its full-text index is made again from all messages; how many. EPERM: none is wanted.
    virtual Task<std::uint64_t> reindex(net::Loop& loop, mail::AccountName account) = 0;
    // One step of what the garbage worker does.
    virtual Task<GarbageReport> collect(net::Loop& loop, mail::AccountName account) = 0;
};

}  // namespace posthorn::store
