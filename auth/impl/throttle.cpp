#include "auth/impl/throttle.hpp"

#include <algorithm>

namespace posthorn::auth::impl {
namespace {

constexpr std::size_t kOneAttempt = 3;  // entries that one attempt touches

std::string of_client(const std::string& client) { return "c" + client; }
std::string of_account(const std::string& account) { return "a" + account; }
std::string of_pair(const std::string& client, const std::string& account) { return "p" + client + " " + account; }

}  // namespace

std::string client_key(const net::IpAddress& ip, bool unix_socket) {
    if (unix_socket) return {};
    auto address = ip.unmapped();
    if (address.v6) std::fill(address.bytes.begin() + 8, address.bytes.end(), std::uint8_t{0});
    return address.to_string();
}

Throttle::Entry& Throttle::touch(Table& table, const std::string& key, base::SteadyTime now) const {
    if (const auto found = table.by_key.find(key); found != table.by_key.end()) {
        table.order.splice(table.order.begin(), table.order, found->second);
        return table.order.front();
    }
    table.order.push_front({key, 0, now});
    table.by_key.emplace(key, table.order.begin());
    if (table.order.size() > std::max(config_.entries, kOneAttempt)) {
        table.by_key.erase(table.order.back().key);
        table.order.pop_back();
    }
    return table.order.front();
}

base::Duration Throttle::settle(Entry& entry, std::uint32_t limit, base::SteadyTime now) const {
    using Seconds = std::chrono::duration<double>;
    const double per_second = limit / Seconds(config_.window).count();
    entry.level = std::max(0.0, entry.level - per_second * Seconds(now - entry.at).count());
    entry.at = now;
    const Seconds missing((entry.level + 1 - limit) / per_second);
    return std::max(base::Duration::zero(), std::chrono::ceil<base::Duration>(missing));
}

Throttle::Ticket Throttle::begin(std::string client, std::string account, base::SteadyTime now) {
    Ticket ticket{.client = std::move(client), .account = std::move(account)};
    table_.with([&](Table& table) {
        const auto pair = table.by_key.find(of_pair(ticket.client, ticket.account));
        const bool known = pair != table.by_key.end() && now - pair->second->at <= config_.known_for;
        Entry* client_entry = nullptr;
        Entry* account_entry = nullptr;
        if (config_.per_client > 0 && !ticket.client.empty()) {
            client_entry = &touch(table, of_client(ticket.client), now);
            ticket.retry_after = settle(*client_entry, config_.per_client, now);
        }
        // Who is refused anyway must not push others' entries out of the table.
        ticket.allowed = ticket.retry_after == base::Duration::zero();
        if (!ticket.allowed) return;
        if (config_.per_account > 0 && !ticket.account.empty() && !known) {
            account_entry = &touch(table, of_account(ticket.account), now);
            ticket.retry_after = settle(*account_entry, config_.per_account, now);
        }
        ticket.allowed = ticket.retry_after == base::Duration::zero();
        if (!ticket.allowed) return;
        if (client_entry != nullptr) client_entry->level += 1;
        if (account_entry != nullptr) account_entry->level += 1;
        ticket.of_client = client_entry != nullptr;
        ticket.of_account = account_entry != nullptr;
    });
    return ticket;
}

void Throttle::refund(const Ticket& ticket) {
    table_.with([&](Table& table) {
        const auto give = [&](const std::string& key) {
            const auto found = table.by_key.find(key);
            if (found != table.by_key.end()) found->second->level = std::max(0.0, found->second->level - 1);
        };
        if (ticket.of_client) give(of_client(ticket.client));
        if (ticket.of_account) give(of_account(ticket.account));
    });
}

void Throttle::remember(const Ticket& ticket, base::SteadyTime now) {
    if (ticket.client.empty() || ticket.account.empty()) return;
    table_.with([&](Table& table) { touch(table, of_pair(ticket.client, ticket.account), now).at = now; });
}

std::size_t Throttle::size() const {
    return table_.with([](const Table& table) { return table.order.size(); });
}

}  // namespace posthorn::auth::impl
