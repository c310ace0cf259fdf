// net::Resolver on c-ares: one channel a loop, one cache for all, equal questions of a loop asked once.
#include <algorithm>
#include <atomic>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "base/clock.hpp"
#include "base/guarded.hpp"
#include "net/dns.hpp"
#include "net/dns_message.hpp"
#include "net/impl/dns_cache.hpp"
#include "net/impl/dns_channel.hpp"

namespace posthorn::net {
namespace {

using impl::AnswerPtr;
using impl::DnsChannel;
using impl::DnsQuestion;

constexpr auto kLocalhostTtl = std::chrono::hours(24);

// A question under way on one loop. Held by those who wait and by the channel's callback.
struct Flight {
    explicit Flight(Loop& loop) : done(loop) {}
    AnswerPtr answer;  // null until it came
    // CNAMEs followed over several questions, and the least of their TTLs.
    int links = 0;
    std::chrono::seconds ttl = std::chrono::seconds::max();
    Event done;
};
using FlightPtr = std::shared_ptr<Flight>;

// What belongs to one loop; its thread only.
struct PerLoop {
    std::unique_ptr<DnsChannel> channel;
    // Asked when the first one reached nobody who would answer: tells servers that fail from none at all.
    std::unique_ptr<DnsChannel> last_resort;
    std::unordered_map<DnsQuestion, FlightPtr, impl::DnsQuestionHash> flights;
};

DnsAnswer failure(DnsStatus status, std::string text) {
    DnsAnswer answer;
    answer.status = status;
    answer.text = std::move(text);
    return answer;
}

DnsAnswer without_message(int status, const std::string& name) {
    const auto text = name + ": " + ares_strerror(status);
    switch (status) {
        case ARES_ETIMEOUT: return failure(DnsStatus::timed_out, text);
        case ARES_EBADNAME: return failure(DnsStatus::bad_name, text);
        case ARES_ESERVFAIL:
        case ARES_EREFUSED:
        case ARES_ENOTIMP:
        case ARES_EFORMERR:
        case ARES_EBADRESP: return failure(DnsStatus::servfail, text);
        default: return failure(DnsStatus::local, text);
    }
}

std::string_view type_name(DnsType type) {
    switch (type) {
        case DnsType::a: return "A";
        case DnsType::aaaa: return "AAAA";
        case DnsType::mx: return "MX";
        case DnsType::txt: return "TXT";
        case DnsType::cname: return "CNAME";
        case DnsType::soa: return "SOA";
    }
    return "";
}

std::vector<std::string> shown(const DnsAnswer& answer) {
    std::vector<std::string> out;
    for (const auto& mx : answer.mx)
        out.push_back(std::to_string(mx.preference) + " " + (mx.host.empty() ? "." : mx.host));
    for (const auto& address : answer.addresses) out.push_back(address.to_string());
    out.insert(out.end(), answer.texts.begin(), answer.texts.end());
    return out;
}

bool is_localhost(const std::string& name) { return name == "localhost" || name.ends_with(".localhost"); }

// RFC 6761 §6.3: never asked of a server.
DnsAnswer localhost(const std::string& name, DnsType type) {
    DnsAnswer answer;
    answer.canonical = name;
    answer.ttl = kLocalhostTtl;
    answer.status = DnsStatus::ok;
    if (type == DnsType::a) {
        answer.addresses.push_back(*IpAddress::parse("127.0.0.1"));
    } else if (type == DnsType::aaaa) {
        answer.addresses.push_back(*IpAddress::parse("::1"));
    } else {
        answer.status = DnsStatus::no_data;
        answer.text = name + ": no such record";
    }
    return answer;
}

// Of two families that gave no address: what may yet change counts before what is settled.
int weight(DnsStatus status) {
    switch (status) {
        case DnsStatus::local: return 5;
        case DnsStatus::timed_out: return 4;
        case DnsStatus::servfail: return 3;
        case DnsStatus::nxdomain: return 2;
        default: return 1;
    }
}

// How long a local failure speaks against us while nobody asks anything else: an idle server is no broken one.
constexpr base::Duration kFailureHolds = std::chrono::minutes(1);

class AresResolver final : public Resolver {
public:
    AresResolver(const DnsConfig& config, std::vector<PerLoop> loops) : cache_(config), loops_(std::move(loops)) {}

    Task<MxAnswer> mx(Loop& loop, std::string name) override;
    Task<AddressAnswer> addresses(Loop& loop, std::string name) override;
    Task<TxtAnswer> txt(Loop& loop, std::string name) override;
    DnsHealth health() const override;
    void clear_cache(std::string name) override;
    std::vector<DnsCached> cached(const std::string& name, std::size_t limit, base::SteadyTime now) const override;

private:
    FlightPtr start(Loop& loop, const std::string& name, DnsType type);
    void ask(Loop& loop, const DnsQuestion& question, const std::string& name, const FlightPtr& flight,
             bool last_resort = false);
    void on_answer(Loop& loop, const DnsQuestion& question, const std::string& name, const FlightPtr& flight,
                   int status, std::span<const std::uint8_t> message);
    void land(Loop& loop, const DnsQuestion& question, const FlightPtr& flight, DnsAnswer answer);
    PerLoop& at(Loop& loop) { return loops_.at(loop.index()); }

    impl::DnsCache cache_;
    std::atomic<std::uint64_t> queries_{0};
    std::atomic<std::uint64_t> hits_{0};
    struct LocalFailure {
        std::string text;  // "" if there was none
        base::SteadyTime at{};
    };
    base::Guarded<LocalFailure> local_failure_;  // of the last query
    std::vector<PerLoop> loops_;
};

Task<AnswerPtr> wait_for(FlightPtr flight) {
    while (!flight->answer) co_await flight->done.wait();
    co_return flight->answer;
}

base::Duration left(const AnswerPtr& answer, Loop& loop) {
    return std::max(base::Duration{}, answer->until - loop.now());
}

FlightPtr AresResolver::start(Loop& loop, const std::string& raw, DnsType type) {
    auto landed = [&loop](AnswerPtr answer) {
        auto flight = std::make_shared<Flight>(loop);
        flight->answer = std::move(answer);
        return flight;
    };
    const auto fixed = [&loop, &landed](DnsAnswer answer) {
        const auto until = loop.now() + answer.ttl;
        return landed(std::make_shared<const impl::KeptAnswer>(impl::KeptAnswer{std::move(answer), until}));
    };
    const auto name = dns_name(raw);
    if (!name) return fixed(failure(DnsStatus::bad_name, raw + ": not a name to look up"));
    if (is_localhost(*name)) return fixed(localhost(*name, type));
    const DnsQuestion question{*name, type};
    if (auto known = cache_.find(question, loop.now())) {
        ++hits_;
        return landed(std::move(known));
    }
    auto& flights = at(loop).flights;
    if (const auto found = flights.find(question); found != flights.end()) return found->second;
    auto flight = std::make_shared<Flight>(loop);
    flights.emplace(question, flight);
    ask(loop, question, question.name, flight);
    return flight;
}

void AresResolver::ask(Loop& loop, const DnsQuestion& question, const std::string& name, const FlightPtr& flight,
                       bool last_resort) {
    ++queries_;
    auto& channel = last_resort ? at(loop).last_resort : at(loop).channel;
    channel->ask(name, question.type, [=, this, &loop](int status, std::span<const std::uint8_t> message) {
        if (status == ARES_ECONNREFUSED && message.empty() && !last_resort) {
            // Not from inside a callback of c-ares.
            loop.post([=, this, &loop] { ask(loop, question, name, flight, true); });
            return;
        }
        on_answer(loop, question, name, flight, status, message);
    });
}

void AresResolver::on_answer(Loop& loop, const DnsQuestion& question, const std::string& name,
                             const FlightPtr& flight, int status, std::span<const std::uint8_t> message) {
    auto answer = message.empty() ? without_message(status, name) : parse_dns_answer(message, name, question.type);
    local_failure_.with(
        [&](LocalFailure& last) { last = {answer.status == DnsStatus::local ? answer.text : "", loop.now()}; });
    if (!answer.incomplete) {
        land(loop, question, flight, std::move(answer));
        return;
    }
    flight->links += answer.links;
    flight->ttl = std::min(flight->ttl, answer.ttl);
    if (flight->links > kMaxCnameLinks || !dns_name(answer.canonical)) {
        land(loop, question, flight, failure(DnsStatus::servfail, question.name + ": CNAMEs without end"));
        return;
    }
    loop.post([this, &loop, question, next = answer.canonical, flight] { ask(loop, question, next, flight); });
}

void AresResolver::land(Loop& loop, const DnsQuestion& question, const FlightPtr& flight, DnsAnswer answer) {
    answer.ttl = std::min(answer.ttl, flight->ttl);
    flight->answer = cache_.keep(question, std::move(answer), loop.now());
    at(loop).flights.erase(question);
    flight->done.notify_all();
}

Task<MxAnswer> AresResolver::mx(Loop& loop, std::string name) {
    const auto found = co_await wait_for(start(loop, name, DnsType::mx));
    const auto& answer = found->answer;
    co_return MxAnswer{answer.status, answer.mx, left(found, loop), answer.text};
}

Task<TxtAnswer> AresResolver::txt(Loop& loop, std::string name) {
    const auto found = co_await wait_for(start(loop, name, DnsType::txt));
    const auto& answer = found->answer;
    co_return TxtAnswer{answer.status, answer.texts, left(found, loop), answer.text};
}

Task<AddressAnswer> AresResolver::addresses(Loop& loop, std::string name) {
    // Both are under way before either is waited for.
    auto six_flight = start(loop, name, DnsType::aaaa);
    auto four_flight = start(loop, name, DnsType::a);
    const auto six = co_await wait_for(std::move(six_flight));
    const auto four = co_await wait_for(std::move(four_flight));
    AddressAnswer result;
    for (const auto* family : {&six, &four}) {
        const auto& addresses = (*family)->answer.addresses;
        result.addresses.insert(result.addresses.end(), addresses.begin(), addresses.end());
    }
    result.ttl = std::min(left(six, loop), left(four, loop));
    if (!result.addresses.empty()) {
        result.status = DnsStatus::ok;
        co_return result;
    }
    const auto& worse = weight(six->answer.status) > weight(four->answer.status) ? six->answer : four->answer;
    result.status = worse.status;
    result.text = worse.text;
    co_return result;
}

DnsHealth AresResolver::health() const {
    DnsHealth health;
    const LocalFailure last = local_failure_.with([](const LocalFailure& failure) { return failure; });
    if (base::SystemClock().steady() - last.at < kFailureHolds) health.text = last.text;
    health.ok = health.text.empty();
    health.queries = queries_;
    health.cache_hits = hits_;
    health.cache_entries = cache_.size();
    return health;
}

void AresResolver::clear_cache(std::string name) {
    if (name.empty()) {
        cache_.clear({});
    } else if (const auto known = dns_name(name)) {
        cache_.clear(*known);
    }
}

std::vector<DnsCached> AresResolver::cached(const std::string& name, std::size_t limit,
                                            base::SteadyTime now) const {
    std::string wanted;
    if (!name.empty()) {
        const auto known = dns_name(name);
        if (!known) return {};
        wanted = *known;
    }
    std::vector<DnsCached> out;
    for (const auto& [question, kept] : cache_.list(wanted, limit)) {
        if (kept->until <= now) continue;
        out.push_back({.name = question.name,
                       .type = std::string(type_name(question.type)),
                       .status = kept->answer.status,
                       .records = shown(kept->answer),
                       .left = kept->until - now});
    }
    return out;
}

// c-ares wants to be set up once, before any thread uses it.
int set_up_library() {
    static std::once_flag once;
    static int status = ARES_SUCCESS;
    std::call_once(once, [] { status = ares_library_init(ARES_LIB_INIT_ALL); });
    return status;
}

// "ip", "ip:port" or "[v6]:port" in the form that c-ares reads.
base::Result<std::string> server_text(const std::string& text) {
    auto parsed = parse_host_port(text, 53);
    if (!parsed || !IpAddress::parse(parsed->host)) {
        return base::fail(base::ErrorKind::permanent,
                          "DNS server \"" + text + "\": not an address, or address and port");
    }
    return parsed->to_string();
}

}  // namespace

base::Result<std::unique_ptr<Resolver>> make_resolver(LoopGroup& loops, DnsConfig config) {
    if (const int status = set_up_library(); status != ARES_SUCCESS) {
        return base::fail(base::ErrorKind::temporary, std::string("DNS: ") + ares_strerror(status));
    }
    for (auto& server : config.servers) {
        auto text = server_text(server);
        if (!text) return std::unexpected(std::move(text.error()));
        server = std::move(*text);
    }
    std::vector<PerLoop> parts(loops.size());
    for (std::size_t i = 0; i < loops.size(); ++i) {
        auto channel = DnsChannel::make(loops.at(i), config, true);
        if (!channel) return std::unexpected(std::move(channel.error()));
        parts[i].channel = std::move(*channel);
        auto last_resort = DnsChannel::make(loops.at(i), config, false);
        if (!last_resort) return std::unexpected(std::move(last_resort.error()));
        parts[i].last_resort = std::move(*last_resort);
    }
    return std::make_unique<AresResolver>(config, std::move(parts));
}

}  // namespace posthorn::net
