#include "net/impl/dns_cache.hpp"

#include <algorithm>
#include <array>

namespace posthorn::net::impl {
namespace {
constexpr std::array kTypes = {DnsType::a, DnsType::aaaa, DnsType::mx, DnsType::txt};
}

void DnsCache::Entries::erase(Order::iterator at) {
    index.erase(at->first);
    order.erase(at);
}

AnswerPtr DnsCache::find(const DnsQuestion& question, base::SteadyTime now) {
    return entries_.with([&](Entries& entries) -> AnswerPtr {
        const auto found = entries.index.find(question);
        if (found == entries.index.end()) return nullptr;
        const auto at = found->second;
        if (at->second->until <= now) {
            entries.erase(at);
            return nullptr;
        }
        entries.order.splice(entries.order.begin(), entries.order, at);
        return at->second;
    });
}

AnswerPtr DnsCache::keep(const DnsQuestion& question, DnsAnswer answer, base::SteadyTime now) {
    const bool positive = answer.status == DnsStatus::ok;
    const bool negative = answer.status == DnsStatus::no_data || answer.status == DnsStatus::nxdomain;
    base::Duration ttl{};
    if (positive) ttl = std::clamp<base::Duration>(answer.ttl, config_.min_ttl, config_.max_ttl);
    if (negative) ttl = std::min<base::Duration>(answer.ttl, config_.max_negative_ttl);
    auto kept = std::make_shared<const KeptAnswer>(KeptAnswer{std::move(answer), now + ttl});
    if (ttl <= base::Duration{} || config_.cache_entries == 0) return kept;
    entries_.with([&](Entries& entries) {
        if (const auto found = entries.index.find(question); found != entries.index.end()) {
            entries.erase(found->second);
        }
        if (entries.order.size() >= config_.cache_entries) entries.erase(std::prev(entries.order.end()));
        entries.order.emplace_front(question, kept);
        entries.index.emplace(question, entries.order.begin());
    });
    return kept;
}

void DnsCache::clear(const std::string& name) {
    entries_.with([&](Entries& entries) {
        if (name.empty()) {
            entries = {};
            return;
        }
        for (const auto type : kTypes) {
            const auto found = entries.index.find({name, type});
            if (found != entries.index.end()) entries.erase(found->second);
        }
    });
}

std::vector<std::pair<DnsQuestion, AnswerPtr>> DnsCache::list(const std::string& name, std::size_t limit) const {
    std::vector<std::pair<DnsQuestion, AnswerPtr>> out;
    entries_.with([&](const Entries& entries) {
        if (name.empty()) {
            const auto count = std::min(limit, entries.order.size());
            out.assign(entries.order.begin(), std::next(entries.order.begin(), static_cast<std::ptrdiff_t>(count)));
            return;
        }
        for (const auto type : kTypes) {
            const auto found = entries.index.find({name, type});
            if (found != entries.index.end()) out.push_back(*found->second);
        }
    });
    return out;
}

std::size_t DnsCache::size() const {
    return entries_.with([](const Entries& entries) { return entries.order.size(); });
}

}  // namespace posthorn::net::impl
