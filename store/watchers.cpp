#include "store/watchers.hpp"

#include <algorithm>
#include <mutex>
#include <optional>
#include <unordered_map>

namespace posthorn::store {
namespace {

struct Watcher {
    Watcher(net::Loop& l, std::function<void(const Notice&)> t) : loop(l), tell(std::move(t)) {}
    net::Loop& loop;
    const std::function<void(const Notice&)> tell;
    bool gone = false;  // on its loop

    std::mutex mutex;
    std::optional<Notice> waiting;  // set: a post is on its way
};

void merge(Notice& into, ModSeq modseq, const std::vector<MailboxId>& mailboxes) {
    into.modseq = std::max(into.modseq, modseq);
    for (const auto id : mailboxes) {
        if (std::ranges::find(into.mailboxes, id) == into.mailboxes.end()) into.mailboxes.push_back(id);
    }
}

// On the watcher's loop.
void pass_on(Watcher& watcher) {
    Notice notice;
    {
        const std::lock_guard lock(watcher.mutex);
        notice = std::move(*watcher.waiting);
        watcher.waiting.reset();
    }
    if (!watcher.gone) watcher.tell(notice);
}

}  // namespace

struct Watchers::Table {
    std::mutex mutex;
    std::unordered_map<mail::AccountName, std::vector<std::shared_ptr<Watcher>>> watchers;
};

namespace {

template <class Table>
class Watching final : public Subscription {
public:
    Watching(std::shared_ptr<Table> table, mail::AccountName account, std::shared_ptr<Watcher> watcher)
        : table_(std::move(table)), account_(std::move(account)), watcher_(std::move(watcher)) {}
    ~Watching() override {
        watcher_->gone = true;
        const std::lock_guard lock(table_->mutex);
        const auto found = table_->watchers.find(account_);
        std::erase(found->second, watcher_);
        if (found->second.empty()) table_->watchers.erase(found);
    }

private:
    std::shared_ptr<Table> table_;
    mail::AccountName account_;
    std::shared_ptr<Watcher> watcher_;
};

}  // namespace

Watchers::Watchers() : table_(std::make_shared<Table>()) {}
Watchers::~Watchers() = default;

std::unique_ptr<Subscription> Watchers::add(net::Loop& loop, const mail::AccountName& account,
                                            std::function<void(const Notice&)> tell) {
    auto watcher = std::make_shared<Watcher>(loop, std::move(tell));
    const std::lock_guard lock(table_->mutex);
    table_->watchers[account].push_back(watcher);
    return std::make_unique<Watching<Table>>(table_, account, std::move(watcher));
}

bool Watchers::any(const mail::AccountName& account) const {
    const std::lock_guard lock(table_->mutex);
    return table_->watchers.contains(account);
}

void Watchers::tell(const mail::AccountName& account, ModSeq modseq, const std::vector<MailboxId>& mailboxes) {
    const std::lock_guard lock(table_->mutex);
    const auto found = table_->watchers.find(account);
    if (found == table_->watchers.end()) return;
    for (const auto& watcher : found->second) {
        const std::lock_guard inner(watcher->mutex);
        const bool on_its_way = watcher->waiting.has_value();
        if (!on_its_way) watcher->waiting.emplace();
        merge(*watcher->waiting, modseq, mailboxes);
        if (!on_its_way) watcher->loop.post([watcher] { pass_on(*watcher); });
    }
}

}  // namespace posthorn::store
