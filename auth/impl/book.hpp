// All names of a directory in memory, read by every loop without waiting: a number of immutable shards, each replaced
// whole when one of its names changes, so that a change copies a small part of a large directory. About 300 octets an
// account. Any thread.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "auth/impl/backend.hpp"
#include "base/guarded.hpp"

namespace posthorn::auth::impl {

class Book {
public:
    using Named = std::pair<mail::AccountName, Entry>;

    std::optional<Entry> find(const mail::AccountName& name) const;
    bool serves(std::string_view domain) const;
    std::vector<std::string> domains() const;

    // Nothing: the name is gone.
    void set(const mail::AccountName& name, std::optional<Entry> entry);
    void set_domain(const std::string& domain, bool there);  // not there: with all its names
    void replace(std::set<std::string, std::less<>> domains, std::vector<Named> entries);

private:
    using Shard = std::unordered_map<mail::AccountName, Entry>;
    using Domains = std::set<std::string, std::less<>>;
    static constexpr std::size_t kShards = 256;

    static std::size_t shard_of(const mail::AccountName& name);

    std::array<base::Guarded<std::shared_ptr<const Shard>>, kShards> shards_;
    base::Guarded<std::shared_ptr<const Domains>> domains_;
};

}  // namespace posthorn::auth::impl
