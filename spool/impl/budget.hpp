// The memory that bodies on their way in may take, over all sessions. Any thread.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>

namespace posthorn::spool {

class Budget {
public:
    explicit Budget(std::uint64_t limit) : limit_(limit) {}

    bool take(std::uint64_t octets) {
        if (used_.fetch_add(octets, std::memory_order_relaxed) + octets <= limit_) return true;
        give(octets);
        return false;
    }
    void give(std::uint64_t octets) { used_.fetch_sub(octets, std::memory_order_relaxed); }
    std::uint64_t used() const { return used_.load(std::memory_order_relaxed); }
    std::uint64_t limit() const { return limit_; }

private:
    const std::uint64_t limit_;
    std::atomic<std::uint64_t> used_{0};
};

// What one body has of it; given back when it goes.
class Share {
public:
    explicit Share(std::shared_ptr<Budget> budget) : budget_(std::move(budget)) {}
    ~Share() { budget_->give(octets_); }
    Share(const Share&) = delete;
    Share& operator=(const Share&) = delete;
    bool more(std::uint64_t octets) {
        if (!budget_->take(octets)) return false;
        octets_ += octets;
        return true;
    }
    // Of what was taken; octets that were never granted (crowded) are not given back.
    void less(std::uint64_t octets) {
        octets = std::min(octets, octets_);
        budget_->give(octets);
        octets_ -= octets;
    }
    void release() {
        budget_->give(octets_);
        octets_ = 0;
    }

private:
    std::shared_ptr<Budget> budget_;
    std::uint64_t octets_ = 0;
};

}  // namespace posthorn::spool
