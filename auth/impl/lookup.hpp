// The configured backends as one: each name is asked of those that serve its domain, in their order, and the first that
// knows it answers. One that is down ends the search with a temporary error, since what it would have said comes
// first; its outage is one line in the log, and so is its end. Any loop; immutable but for the state of outages.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "auth/impl/backend.hpp"

namespace posthorn::auth::impl {

// Whether something is down, told once for each change.
class Outage {
public:
    // `what`: "the directory backend ldap"; error null: it answered.
    void note(std::string_view what, const base::Error* error);

private:
    std::atomic<bool> down_{false};
};

class Lookup {
public:
    explicit Lookup(std::vector<std::unique_ptr<Backend>> backends);

    struct Found {
        Entry entry;
        Backend* backend = nullptr;
    };
    net::Task<base::Result<std::optional<Found>>> find(net::Loop& loop, mail::AccountName name);
    net::Task<base::Result<std::optional<Secrets>>> secrets(net::Loop& loop, Backend* backend,
                                                            mail::AccountName name);
    net::Task<base::Result<bool>> check(net::Loop& loop, Backend* backend, mail::AccountName name,
                                        std::string password);

    Backend* first_for(std::string_view domain) const;  // null: nobody serves it
    bool serves(std::string_view domain) const;
    std::vector<std::string> domains() const;
    Mechanisms mechanisms() const;  // those that all backends have

private:
    struct Member {
        std::unique_ptr<Backend> backend;
        std::unique_ptr<Outage> outage = std::make_unique<Outage>();
    };
    void note(const Backend* backend, const base::Error* error);

    std::vector<Member> members_;
};

}  // namespace posthorn::auth::impl
