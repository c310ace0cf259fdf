// What DNS servers said, for as long as they said it may be kept. One for all loops; any thread.
#pragma once

#include <list>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "base/guarded.hpp"
#include "net/dns.hpp"
#include "net/dns_message.hpp"

namespace posthorn::net::impl {

struct DnsQuestion {
    std::string name;
    DnsType type = DnsType::a;
    bool operator==(const DnsQuestion&) const = default;
};

struct DnsQuestionHash {
    std::size_t operator()(const DnsQuestion& question) const {
        return std::hash<std::string>{}(question.name) * 31 + static_cast<std::size_t>(question.type);
    }
};

// An answer with the time until which it holds; shared, never changed.
struct KeptAnswer {
    DnsAnswer answer;
    base::SteadyTime until;
};
using AnswerPtr = std::shared_ptr<const KeptAnswer>;

class DnsCache {
public:
    explicit DnsCache(const DnsConfig& config) : config_(config) {}

    AnswerPtr find(const DnsQuestion& question, base::SteadyTime now);  // null: not there
    // Gives `answer` its term, and keeps it if it has one: answers of servers that failed have none.
    AnswerPtr keep(const DnsQuestion& question, DnsAnswer answer, base::SteadyTime now);
    void clear(const std::string& name);  // "" clears all
    std::size_t size() const;
    // Those of a name, or the `limit` used last.
    std::vector<std::pair<DnsQuestion, AnswerPtr>> list(const std::string& name, std::size_t limit) const;

private:
    using Order = std::list<std::pair<DnsQuestion, AnswerPtr>>;  // the latest used first
    struct Entries {
        Order order;
        std::unordered_map<DnsQuestion, Order::iterator, DnsQuestionHash> index;
        void erase(Order::iterator at);
    };

    DnsConfig config_;
    base::Guarded<Entries> entries_;
};

}  // namespace posthorn::net::impl
