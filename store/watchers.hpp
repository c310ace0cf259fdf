// Who wants to hear of changes: what every backend's watch() stands on. Any thread.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "mail/account.hpp"
#include "net/loop.hpp"
#include "store/store.hpp"

namespace posthorn::store {

class Watchers {
public:
    Watchers();
    ~Watchers();
    Watchers(const Watchers&) = delete;
    Watchers& operator=(const Watchers&) = delete;

    // Subscriptions may outlive this.
    std::unique_ptr<Subscription> add(net::Loop& loop, const mail::AccountName& account,
                                      std::function<void(const Notice&)> tell);
    bool any(const mail::AccountName& account) const;
    // Posts to the loops of those who watch the account; one that still has a notice waiting gets this one with it.
    void tell(const mail::AccountName& account, ModSeq modseq, const std::vector<MailboxId>& mailboxes);

private:
    struct Table;
    std::shared_ptr<Table> table_;
};

}  // namespace posthorn::store
