#include "delivery/message.hpp"

#include <algorithm>

namespace posthorn::delivery {

DomainPtr DomainPool::get(std::string_view name) {
    if (const auto at = domains_.find(name); at != domains_.end()) return at->second;
    if (domains_.size() >= purge_at_) {
        std::erase_if(domains_, [](const auto& entry) { return entry.second.use_count() == 1; });
        purge_at_ = std::max<std::size_t>(1024, domains_.size() * 2);
    }
    auto domain = std::make_shared<Domain>();
    domain->name = name;
    domains_.emplace(domain->name, domain);
    return domain;
}

Slot* Message::slot(std::uint32_t index) {
    const auto at = std::ranges::lower_bound(slots, index, {}, &Slot::index);
    return at != slots.end() && at->index == index ? &*at : nullptr;
}

bool Message::pending() const {
    return std::ranges::any_of(slots, [](const Slot& s) { return s.pending(); });
}

}  // namespace posthorn::delivery
