// Who has which maildrop open: one POP3 session an account at a time (RFC 1939 §4), and not more often than the
// login delay allows. Any thread.
#pragma once

#include <memory>
#include <optional>
#include <unordered_map>
#include <utility>

#include "base/clock.hpp"
#include "base/guarded.hpp"
#include "mail/account.hpp"

namespace posthorn::pop3 {

class Locks : public std::enable_shared_from_this<Locks> {
public:
    class Lock {
    public:
        Lock(Lock&& other) noexcept = default;
        Lock& operator=(Lock&& other) noexcept {
            release();
            locks_ = std::move(other.locks_);
            account_ = std::move(other.account_);
            return *this;
        }
        ~Lock() { release(); }

    private:
        friend class Locks;
        Lock(std::shared_ptr<Locks> locks, mail::AccountName account)
            : locks_(std::move(locks)), account_(std::move(account)) {}
        void release() {
            if (const auto locks = std::exchange(locks_, nullptr)) locks->leave(account_);
        }
        std::shared_ptr<Locks> locks_;
        mail::AccountName account_;
    };

    enum class Refusal : std::uint8_t { in_use, too_soon };

    // `delay` zero: as often as one likes.
    std::pair<std::optional<Lock>, Refusal> enter(const mail::AccountName& account, base::SteadyTime now,
                                                  base::Duration delay) {
        const auto refusal = entries_.with([&](auto& entries) -> std::optional<Refusal> {
            const auto found = entries.find(account);
            if (found == entries.end()) {
                if (entries.size() >= kMaxEntries) forget_old(entries, now);
                entries.emplace(account, Entry{true, delay > base::Duration::zero(), now + delay});
                return std::nullopt;
            }
            if (found->second.open) return Refusal::in_use;
            if (now < found->second.not_before) return Refusal::too_soon;
            found->second = Entry{true, delay > base::Duration::zero(), now + delay};
            return std::nullopt;
        });
        if (refusal) return {std::nullopt, *refusal};
        return {Lock(shared_from_this(), account), Refusal::in_use};
    }

private:
    struct Entry {
        bool open = false;
        bool delayed = false;
        base::SteadyTime not_before;
    };
    using Entries = std::unordered_map<mail::AccountName, Entry>;
    static constexpr std::size_t kMaxEntries = 100'000;  // accounts that wait for their delay

    static void forget_old(Entries& entries, base::SteadyTime now) {
        std::erase_if(entries,
                      [&](const auto& pair) { return !pair.second.open && pair.second.not_before <= now; });
    }

    void leave(const mail::AccountName& account) {
        entries_.with([&](auto& entries) {
            const auto found = entries.find(account);
            if (found == entries.end()) return;
            found->second.open = false;
            // Without a delay nothing is worth remembering; the clock is not ours to ask.
            if (!found->second.delayed) entries.erase(found);
        });
    }

    base::Guarded<Entries> entries_;
};

}  // namespace posthorn::pop3
