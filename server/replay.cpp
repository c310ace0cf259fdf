#include "server/replay.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "mail/address_list.hpp"
#include "server/config/load.hpp"

namespace posthorn::server {
namespace {

using control::Value;
using mail::Event;
using mail::EventKind;

constexpr std::size_t kExamples = 3;
constexpr std::size_t kMaxChanges = 10'000;  // kinds of change that are kept apart

std::string extra(const Event& event, std::string_view key) {
    for (const auto& [name, value] : event.extra) {
        if (name == key) return value;
    }
    return {};
}

class Comparison final : public control::Plan {
public:
    Comparison(Decisions now, Decisions then) : now_(std::move(now)), then_(std::move(then)) {}

    void take(const Event& event) override {
        const bool refused = event.kind == EventKind::rejected && !event.recipient.empty();
        if (event.kind != EventKind::accepted && !refused) return;
        ++envelopes_;
        if (event.recipients.empty()) return look(event, event.recipient, 1);
        for (const auto& recipient : event.recipients) look(event, recipient, event.recipients.size());
    }

    Value changes() const override {
        std::vector<const std::pair<const Key, Change>*> sorted;
        for (const auto& one : changes_) sorted.push_back(&one);
        std::ranges::stable_sort(sorted, std::greater{}, [](const auto* one) { return one->second.count; });
        auto list = Value::list();
        for (const auto* one : sorted) {
            const auto& [what, domain, now, then] = one->first;
            auto examples = Value::list();
            for (const auto& example : one->second.examples) examples.add(example);
            auto row = Value::map();
            row.set("decision", what).set("domain", domain).set("now", now).set("then", then);
            list.add(std::move(row.set("count", one->second.count).set("examples", std::move(examples))));
        }
        return list;
    }

    Value info() const override {
        return Value::map()
            .set("envelopes", envelopes_)
            .set("recipients", recipients_)
            .set("changes", changed_)
            .set("left_out", left_out_);
    }

private:
    using Key = std::tuple<std::string, std::string, std::string, std::string>;  // decision, domain, now, then
    struct Change {
        std::uint64_t count = 0;
        std::vector<std::string> examples;
    };

    void look(const Event& event, const std::string& text, std::size_t recipients) {
        const auto recipient = mail::parse_mailbox(text, "");
        if (!recipient) return;
        ++recipients_;
        const auto domain = mail::domain_key(recipient->domain);
        const auto accepted = now_.accept(event, *recipient, recipients);
        const auto would = then_.accept(event, *recipient, recipients);
        compare("accept", event, text, domain, accepted, would);
        // Where it goes matters for what is taken.
        if (would != kAccepted || domain.empty()) return;
        const std::string nothing = "-";
        const bool is = accepted == kAccepted;
        compare("route", event, text, domain, is ? now_.route(domain) : nothing, then_.route(domain));
        compare("limit", event, text, domain, is ? now_.limit(domain) : nothing, then_.limit(domain));
    }

    void compare(const char* what, const Event& event, const std::string& recipient, const std::string& domain,
                 const std::string& now, const std::string& then) {
        if (now == then || now == "-") return;
        ++changed_;
        Key key(what, domain, now, then);
        const auto found = changes_.find(key);
        if (found == changes_.end() && changes_.size() == kMaxChanges) {
            ++left_out_;
            return;
        }
        auto& change = found != changes_.end() ? found->second : changes_[std::move(key)];
        ++change.count;
        if (change.examples.size() == kExamples) return;
        const auto id = event.message_id ? event.message_id->to_string() : event.session;
        change.examples.push_back(fmt::format("{} <{}> -> <{}>", id, event.sender, recipient));
    }

    static constexpr std::string_view kAccepted = "accepted";

    const Decisions now_;
    const Decisions then_;
    std::map<Key, Change> changes_;
    std::uint64_t envelopes_ = 0;
    std::uint64_t recipients_ = 0;
    std::uint64_t changed_ = 0;
    std::uint64_t left_out_ = 0;
};

}  // namespace

Decisions::Decisions(const Config& config, const delivery::Overrides& overrides, Locals locals)
    : routing_(delivery::laid_over(config.delivery.routing, overrides)), locals_(std::move(locals)) {
    for (const auto& section : config.listeners) {
        const auto& listener = section.listener;
        using enum ListenerProtocol;
        if (section.protocol != smtp && section.protocol != submission)
            continue;  // the others take local mail, or none
        doors_.push_back({fmt::format("{} {}", server::name(section.protocol), listener.address.to_string()),
                          listener.smtp, policy::RelayPolicy(listener.smtp.relay_domains),
                          section.protocol == submission || !listener.address.unix_path.empty()});
    }
}

// By its address; one whose port the system chose, or that is gone, is judged as the first.
const Decisions::Door* Decisions::door_of(const Event& event) const {
    const auto listener = extra(event, "listener");
    const auto found = std::ranges::find(doors_, listener, &Door::name);
    if (found != doors_.end()) return &*found;
    return doors_.empty() ? nullptr : &doors_.front();
}

// In the words of the replies that receiving gives (mta/transaction.cpp, proto/smtp).
std::string Decisions::accept(const Event& event, const mail::Address& recipient, std::size_t recipients) const {
    const auto client = net::IpAddress::parse(event.client_ip);
    if (extra(event, "listener").starts_with("lmtp "))
        return "accepted";  // for our own accounts, whoever brings it
    const Door* door = door_of(event);
    if (!client || door == nullptr) return "accepted";  // came from this machine, by no socket
    const auto& smtp = door->smtp;
    // Who had logged in then does so again, where he is let.
    const bool logged_in = smtp.auth && !extra(event, "user").empty();
    const bool trusted = door->trusted || logged_in || is_local(mail::domain_key(recipient.domain)) ||
                         policy::contains(smtp.relay_networks, client->unmapped());
    switch (door->relay.decide(recipient, trusted)) {
        case policy::RelayDecision::refused: return "refused: 550 5.7.1 no relaying";
        case policy::RelayDecision::bad_domain: return "refused: 550 5.1.2 no such domain";
        case policy::RelayDecision::own_domain:
        case policy::RelayDecision::trusted_client: break;
    }
    if (smtp.max_message_size != 0 && event.size > smtp.max_message_size) return "refused: 552 5.3.4 too large";
    if (recipients > smtp.max_recipients) return "refused: 452 4.5.3 too many recipients";
    return "accepted";
}

std::string Decisions::route(const std::string& domain) const {
    const auto route = routing_.route(domain, is_local(domain));
    return fmt::format("{}, tls {}", route.next_hop(), policy::name(route.tls));
}

std::string Decisions::limit(const std::string& domain) const {
    const auto route = routing_.route(domain, is_local(domain));
    const auto rate = route.rate.per_second > 0
                          ? fmt::format("{} a second, burst {}", route.rate.per_second, route.rate.burst)
                          : std::string("no rate");
    return fmt::format("{}, {} connections", rate, route.max_connections);
}

std::vector<control::RouteStep> Decisions::receiving(const mail::Address& recipient) const {
    std::vector<control::RouteStep> out;
    for (const Door& door : doors_) {
        std::string result = door.name;
        if (is_local(mail::domain_key(recipient.domain))) {
            out.push_back({"relay", result + ": from everybody (the domain is ours)"});
            continue;
        }
        switch (door.relay.decide(recipient, door.trusted)) {
            case policy::RelayDecision::own_domain: result += ": from everybody (relay_domains)"; break;
            case policy::RelayDecision::trusted_client: result += ": from whoever may connect"; break;
            case policy::RelayDecision::refused: result += ": from trusted clients alone"; break;
            case policy::RelayDecision::bad_domain: result += ": refused, no such domain can exist"; break;
        }
        out.push_back({"relay", std::move(result)});
    }
    return out;
}

Replay::Replay(const Config& config, std::function<delivery::Overrides()> overrides, Locals locals)
    : overrides_(std::move(overrides)),
      locals_(std::move(locals)),
      running_(std::make_shared<const Config>(config)) {}

std::expected<std::unique_ptr<control::Plan>, std::string> Replay::plan(std::string_view text,
                                                                        const std::string& file) {
    const auto running = running_.with([](const auto& config) { return config; });
    const auto candidate = parse_config(text, file, running->server.hostname);
    if (!candidate) return std::unexpected(candidate.error().text);
    const auto overrides = overrides_();
    return std::make_unique<Comparison>(Decisions(*running, overrides, locals_),
                                        Decisions(*candidate, overrides, locals_));
}

std::vector<control::RouteStep> Replay::receiving(const mail::Address& recipient) const {
    const auto running = running_.with([](const auto& config) { return config; });
    return Decisions(*running, {}, locals_).receiving(recipient);
}

void Replay::reloaded(const Config& config) {
    auto fresh = std::make_shared<const Config>(config);
    running_.with([&](auto& current) { current = std::move(fresh); });
}

}  // namespace posthorn::server
