#include "delivery/message.hpp"

#include <algorithm>

namespace posthorn::delivery {

DomainPtr DomainPool::get(std::string_view name) {
    if (const auto at = domains_.find(name); at != domains_.end()) return DomainPtr(**at);
    if (domains_.size() >= purge_at_) {
        std::erase_if(domains_, [](const Owned& domain) { return domain->users == 0; });
        purge_at_ = std::max<std::size_t>(1024, domains_.size() * 2);
    }
    auto domain = std::make_unique<Domain>();
    domain->name = name;
    return DomainPtr(**domains_.insert(std::move(domain)).first);
}

Slot* Message::slot(std::uint32_t index) {
    const auto at = std::ranges::lower_bound(slots, index, {}, &Slot::index);
    return at != slots.end() && at->index == index ? &*at : nullptr;
}

}  // namespace posthorn::delivery
