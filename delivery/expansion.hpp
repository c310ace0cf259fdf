// Where an address of ours leads in the end: aliases are followed through the directory until accounts are left, and
// addresses that are not ours. Loops end: by what was seen on the way, by depth, and, for those that go through other
// servers, by the Delivered-To fields of the message (one for each alias it has gone through).
#pragma once

#include <cstddef>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "auth/directory.hpp"
#include "base/result.hpp"
#include "mail/address.hpp"
#include "mail/outcome.hpp"
#include "net/loop.hpp"
#include "net/task.hpp"

namespace posthorn::delivery {

inline constexpr std::size_t kMaxAliasDepth = 10;
inline constexpr std::size_t kMaxExpanded = 10'000;  // addresses looked at for one recipient

struct Expansion {
    struct Mailbox {
        auth::Account account;
        std::string tag;        // of sub-addressing
        mail::Address address;  // that led to it
    };
    struct Failure {
        mail::Address address;
        mail::Outcome outcome;  // permanent; `at` is the caller's to fill
    };
    bool alias = false;                 // the address itself is one
    std::vector<Mailbox> mailboxes;     // each account once
    std::vector<mail::Address> remote;  // each once
    std::vector<Failure> failures;      // what leads nowhere

    std::size_t ends() const { return mailboxes.size() + remote.size() + failures.size(); }
};

// Addresses as delivered_to_key() has them.
using DeliveredTo = std::set<std::string, std::less<>>;

// An error is temporary: the directory does not answer.
net::Task<base::Result<Expansion>> expand(net::Loop& loop, auth::Directory& directory, mail::Address address,
                                          DeliveredTo passed);

// How an address is told from others here: in the form of an account's name.
std::string delivered_to_key(const mail::Address& address);

// The Delivered-To fields of a header, or of its beginning.
DeliveredTo delivered_to(std::string_view header);

// "Delivered-To: <address>" as a line, without angle brackets as everyone writes it.
std::string delivered_to_line(const mail::Address& address);

}  // namespace posthorn::delivery
