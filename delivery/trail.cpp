#include "delivery/trail.hpp"

namespace posthorn::delivery {
namespace {

using Kind = mail::Outcome::Kind;

// The names are those of OpenTelemetry's semantic conventions.
void add_server(mail::Step& step, const net::Endpoint& endpoint, const std::string& host) {
    if (!host.empty()) step.attributes.emplace_back("server.address", host);
    if (!endpoint.unix_path.empty()) {
        step.attributes.emplace_back("network.peer.address", endpoint.unix_path);
        return;
    }
    step.attributes.emplace_back("network.peer.address", endpoint.ip.to_string());
    step.attributes.emplace_back("network.peer.port", std::to_string(endpoint.port));
}

// Of the first recipient who was not delivered; empty: there is none.
std::string failure(const std::vector<smtp::RecipientResult>& results) {
    for (const auto& result : results) {
        if (result.outcome.kind == Kind::delivered) continue;
        const auto& outcome = result.outcome;
        return (outcome.code != 0 ? std::to_string(outcome.code) + " " : "") + outcome.status + " " + outcome.text;
    }
    return {};
}

}  // namespace

TrailPtr begin_trail(const mail::Envelope& envelope, base::Random& random, const net::Loop& loop) {
    if (envelope.trace.trace_id.empty()) return nullptr;
    auto trail = std::make_shared<Trail>();
    trail->span_id = mail::new_span_id(random);
    trail->began = loop.now();
    trail->clock = {loop.clock().wall(), trail->began};
    trail->steps.emplace_back();
    return trail;
}

void add_lookup(const TrailPtr& trail, base::SteadyTime began, base::SteadyTime now, const NextHops& hops) {
    if (!trail) return;
    trail->steps.push_back(
        trail->clock.step("dns_lookup", began, now, hops.failure ? hops.failure->text : std::string{}));
    trail->steps.back().attributes.emplace_back("posthorn.targets", std::to_string(hops.targets.size()));
}

void add_connection(const TrailPtr& trail, base::SteadyTime began, const OpenResult& open, const Target& target) {
    if (!trail) return;
    const auto connected = began + open.connecting;
    const auto ended = began + open.elapsed;
    const bool failed = open.connection == nullptr;
    const bool reached = connected < ended || !failed;
    trail->steps.push_back(
        trail->clock.step("connect_mx", began, connected, reached ? std::string{} : open.failure.text));
    add_server(trail->steps.back(), target.endpoint, target.host);
    if (!reached) return;
    trail->steps.push_back(
        trail->clock.step("smtp_handshake", connected, ended, failed ? open.failure.text : std::string{}));
    add_server(trail->steps.back(), target.endpoint, target.host);
    if (!failed && !open.connection->tls().empty())
        trail->steps.back().attributes.emplace_back("tls.protocol", open.connection->tls());
}

void add_transaction(const TrailPtr& trail, base::SteadyTime began, const TransactionResult& result,
                     const SmtpTarget& target) {
    if (!trail) return;
    trail->steps.push_back(
        trail->clock.step("transmit_data", began, began + result.elapsed, failure(result.recipients)));
    auto& step = trail->steps.back();
    add_server(step, target.endpoint, target.host);
    step.attributes.emplace_back("posthorn.bytes", std::to_string(result.bytes));
    step.attributes.emplace_back("posthorn.recipients", std::to_string(result.recipients.size()));
}

// Of a message for thousands of accounts the first few tell enough.
void add_store(const TrailPtr& trail, base::SteadyTime began, base::SteadyTime now, const std::string& account,
               const mail::Outcome& outcome) {
    constexpr std::size_t kMostSteps = 50;
    if (!trail || trail->steps.size() >= kMostSteps) return;
    const bool failed = outcome.kind != Kind::delivered;
    trail->steps.push_back(trail->clock.step("store_message", began, now,
                                             failed ? outcome.status + " " + outcome.text : std::string{}));
    trail->steps.back().attributes.emplace_back("posthorn.account", account);
}

void end_trail(const TrailPtr& trail, base::SteadyTime now, const std::vector<smtp::RecipientResult>& results) {
    if (!trail) return;
    trail->steps.front() = trail->clock.step("deliver_message", trail->began, now, failure(results));
    trail->steps.front().attributes.emplace_back("posthorn.recipients", std::to_string(results.size()));
}

}  // namespace posthorn::delivery
