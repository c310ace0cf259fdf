// What an owner keeps in memory of a message: as little as it needs to decide when to try whom. Replies, addresses
// and the sender stay in the queue and are read back. A million of these are kept: every octet counts.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "base/clock.hpp"
#include "base/ulid.hpp"
#include "delivery/destination.hpp"
#include "delivery/job.hpp"
#include "delivery/one_or_many.hpp"
#include "mail/outcome.hpp"

namespace posthorn::delivery {

// A recipient domain, shared by all that go there, with its route under the present configuration. One loop's.
struct Domain {
    std::string name;
    RoutePtr route;
    std::uint64_t routed_under = 0;  // Settings::generation
    std::uint32_t users = 0;         // DomainPtrs
    bool local = false;              // ... and was one of ours then
};

// Of the owner's loop alone, so that it need not be atomic and takes 8 octets. The pool outlives it.
class DomainPtr {
public:
    DomainPtr() = default;
    explicit DomainPtr(Domain& domain) : domain_(&domain) { ++domain.users; }
    DomainPtr(DomainPtr&& other) noexcept : domain_(std::exchange(other.domain_, nullptr)) {}
    DomainPtr& operator=(DomainPtr&& other) noexcept {
        std::swap(domain_, other.domain_);
        return *this;
    }
    ~DomainPtr() {
        if (domain_) --domain_->users;
    }
    Domain& operator*() const { return *domain_; }
    Domain* operator->() const { return domain_; }

private:
    Domain* domain_ = nullptr;
};

class DomainPool {
public:
    DomainPtr get(std::string_view name);

private:
    using Owned = std::unique_ptr<Domain>;
    static std::string_view name_of(std::string_view name) { return name; }
    static std::string_view name_of(const Owned& domain) { return domain->name; }
    struct Hash {
        using is_transparent = void;
        std::size_t operator()(const auto& of) const { return std::hash<std::string_view>{}(name_of(of)); }
    };
    struct Same {
        using is_transparent = void;
        bool operator()(const auto& a, const auto& b) const { return name_of(a) == name_of(b); }
    };
    std::unordered_set<Owned, Hash, Same> domains_;
    std::size_t purge_at_ = 1024;
};

enum class Phase : std::uint8_t {
    idle,
    dispatched,  // in a job
    recording,   // its new state is being made durable
};

enum class Removal : std::uint8_t { none, silent, bounce };

// A recipient that is not finished: pending, or final with a DSN still owed.
struct Slot {
    DomainPtr domain;
    base::WallTime next_try{};
    std::uint32_t index = 0;     // into Envelope::recipients
    std::uint16_t attempts = 0;  // the configuration allows no more than 1,000
    mail::RecipientStatus status : 3 = mail::RecipientStatus::pending;
    Phase phase : 2 = Phase::idle;
    Removal removal : 2 = Removal::none;  // asked for by an operator while an attempt was under way
    bool delay_warned : 1 = false;
    bool pending() const { return status == mail::RecipientStatus::pending; }
};
static_assert(sizeof(Slot) == 24);

struct Message {
    base::Ulid id;
    OneOrMany<Slot> slots;       // by index, ascending
    OneOrMany<JobPtr> jobs;      // waiting or started
    base::WallTime arrival{};    // or when its sender lets it go (Envelope::hold_until): its age counts from then
    base::WallTime wake{};       // when it is looked at next (WakeHeap); zero: not planned
    base::WallTime dsn_flush{};  // when the DSN for those that failed is due; zero: none owed
    std::uint64_t size = 0;
    std::uint32_t heap_place = 0;  // WakeHeap's
    std::uint16_t freezes = 0;     // orders to freeze or unfreeze it that are not durable yet
    bool null_sender : 1 = false;
    bool frozen : 1 = false;
    bool busy : 1 = false;  // a change is being recorded, or prepared: one at a time

    Slot* slot(std::uint32_t index);
};
static_assert(sizeof(Message) == 112);

}  // namespace posthorn::delivery
