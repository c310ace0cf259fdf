#include "auth/impl/book.hpp"

namespace posthorn::auth::impl {
namespace {

template <class T>
std::shared_ptr<const T> look(const base::Guarded<std::shared_ptr<const T>>& at) {
    return at.with([](const auto& p) { return p; });
}

// What was there goes outside of the lock: readers wait for the exchange of two pointers at most.
template <class T>
void put(base::Guarded<std::shared_ptr<const T>>& at, std::shared_ptr<const T> fresh) {
    at.with([&](auto& p) { p.swap(fresh); });
}

}  // namespace

std::size_t Book::shard_of(const mail::AccountName& name) { return std::hash<mail::AccountName>{}(name) % kShards; }

std::optional<Entry> Book::find(const mail::AccountName& name) const {
    const auto shard = look(shards_.at(shard_of(name)));
    if (!shard) return std::nullopt;
    const auto found = shard->find(name);
    if (found == shard->end()) return std::nullopt;
    return found->second;
}

bool Book::serves(std::string_view domain) const {
    const auto all = look(domains_);
    return all && all->find(domain) != all->end();
}

std::vector<std::string> Book::domains() const {
    const auto all = look(domains_);
    return all ? std::vector<std::string>(all->begin(), all->end()) : std::vector<std::string>{};
}

void Book::set(const mail::AccountName& name, std::optional<Entry> entry) {
    auto& at = shards_.at(shard_of(name));
    const auto old = look(at);
    auto fresh = old ? std::make_shared<Shard>(*old) : std::make_shared<Shard>();
    if (entry)
        fresh->insert_or_assign(name, *std::move(entry));
    else
        fresh->erase(name);
    put<Shard>(at, std::move(fresh));
}

void Book::set_domain(const std::string& domain, bool there) {
    const auto old = look(domains_);
    auto fresh = old ? std::make_shared<Domains>(*old) : std::make_shared<Domains>();
    if (there)
        fresh->insert(domain);
    else
        fresh->erase(domain);
    put<Domains>(domains_, std::move(fresh));
    if (there) return;
    for (auto& at : shards_) {
        const auto had = look(at);
        if (!had) continue;
        auto left = std::make_shared<Shard>(*had);
        if (std::erase_if(*left, [&](const auto& one) { return one.first.domain == domain; }) > 0)
            put<Shard>(at, std::move(left));
    }
}

void Book::replace(Domains domains, std::vector<Named> entries) {
    std::array<std::shared_ptr<Shard>, kShards> fresh;
    for (auto& shard : fresh) shard = std::make_shared<Shard>();
    for (auto& [name, entry] : entries) fresh.at(shard_of(name))->insert_or_assign(name, std::move(entry));
    for (std::size_t i = 0; i < kShards; ++i) put<Shard>(shards_.at(i), std::move(fresh.at(i)));
    put<Domains>(domains_, std::make_shared<Domains>(std::move(domains)));
}

}  // namespace posthorn::auth::impl
