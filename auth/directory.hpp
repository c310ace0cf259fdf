// Who is local, as a port: what an address leads to, and what is known of an account. Asked at RCPT and at delivery
// (mta/, delivery/), and by readers for quotas and settings. Backends: auth/impl/; a fake stands in tests/support/.
//
// Calls come on any loop's thread and resume there; a backend that may block does so on a pool. A backend that is
// down or too slow answers a temporary Error (status 4.3.0) and has logged its outage once: 451 at RCPT, a deferral
// at delivery, never "unknown user".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "mail/account.hpp"
#include "mail/address.hpp"
#include "net/loop.hpp"
#include "net/task.hpp"

namespace posthorn::auth {

// 0: no bound.
struct Quota {
    std::uint64_t bytes = 0;
    std::uint64_t messages = 0;
    bool operator==(const Quota&) const = default;
};

// What one account may submit; 0: the default of the configuration ([submission]), else no bound.
struct SendLimits {
    std::uint32_t messages_per_hour = 0;
    std::uint32_t recipients_per_day = 0;
    std::uint64_t max_message_size = 0;  // bytes
    bool operator==(const SendLimits&) const = default;
};

// What is known of an account, without its secrets.
struct Account {
    mail::AccountName name;
    bool disabled = false;  // no login, and its mail is refused (550 5.2.1); what it has stays
    Quota quota;
    SendLimits send;
    std::string display_name;  // UTF-8, may be empty
    bool operator==(const Account&) const = default;
};

// What an address leads to.
struct Resolution {
    enum class Kind : std::uint8_t {
        not_local,  // the domain is none of ours: relaying decides
        unknown,    // ours, but nobody: 550 5.1.1
        account,    // `account` (look at `disabled`), `tag`
        alias,      // `targets`: each is resolved in turn, or relayed; who expands it detects loops
    };
    Kind kind = Kind::not_local;
    Account account;
    std::string tag;  // of sub-addressing, its case kept: "lists" of user+lists@; empty: none
    std::vector<mail::Address> targets;
    bool catch_all = false;  // nobody has this very name; the domain's catch-all took it
};

class Directory {
public:
    virtual ~Directory() = default;

    // `address` as written: case of the local part, U-labels and the tag are dealt with here. A bare "postmaster"
    // (RFC 5321 §4.5.1: no domain) is that of the configured default domain. Order: the address itself, then
    // without its tag, then the catch-all of its domain (an alias); a postmaster that nobody is leads to ours.
    virtual net::Task<base::Result<Resolution>> resolve(net::Loop& loop, mail::Address address) = 0;

    // By its canonical name; nothing: there is no such account.
    virtual net::Task<base::Result<std::optional<Account>>> account(net::Loop& loop, mail::AccountName name) = 0;

    // From a snapshot in memory: any thread, never blocks. `domain` is a mail::domain_key().
    virtual bool is_local_domain(std::string_view domain) const = 0;
    // The same snapshot, sorted.
    virtual std::vector<std::string> local_domains() const = 0;
};

// Whether mail of this account may bear `address` as its sender: its own name with any tag, an alias that leads to
// it (through at most 5 more), or the null address. A catch-all makes nobody an owner.
net::Task<base::Result<bool>> owns(net::Loop& loop, Directory& directory, mail::AccountName account,
                                   mail::Address address);

}  // namespace posthorn::auth
