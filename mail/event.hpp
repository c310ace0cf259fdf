// What happens to a message, as a value handed to ONE port. The fan-out to log, metrics, spans and history is
// wired in server/. Nobody logs an outcome by hand.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "base/ulid.hpp"
#include "mail/trace_context.hpp"

namespace posthorn::mail {

enum class EventKind : std::uint8_t {
    connected,     // a client opened a session
    disconnected,  // ... and left, or was ended: reason in `text`
    tls_started,
    rejected,   // a command was refused: `code`, `status`, `text`, stage in `detail`
    accepted,   // durable and answered 250
    attempt,    // one transaction for one recipient ended: `code`, `status`, `text`, host
    delivered,  // recipient final
    deferred,   // recipient will be tried again: next try in `detail`
    bounced,    // recipient final: failed
    expired,    // recipient final: too old or too often
    dsn_sent,   // `detail`: the DSN's id and kind
    frozen,
    unfrozen,
    cancelled,
    rate_limited,   // held back by a bucket: domain in `domain`
    security,       // something an operator must know: smuggling tried, TLS unverified ...
    quarantined,    // the spool put it aside: why in `text`
    login_refused,  // somebody was not let in: who in `sender`, why in `text`; to what and how in `extra`
    done,           // nothing left to do for this message
};

std::string_view name(EventKind kind);

// A part of what an event tells about and the time it took: a span of a trace.
struct Step {
    std::string_view name;      // a literal: "dns_lookup"
    std::int64_t began_ns = 0;  // since 1970
    base::Duration took{};
    std::string error;  // empty: it went well
    std::vector<std::pair<std::string, std::string>> attributes;
};

struct Event {
    EventKind kind{};
    base::WallTime at{};
    std::optional<base::Ulid> message_id;
    std::string session;  // short id of the SMTP session, in or out
    std::string client_ip;
    std::string sender;
    std::string recipient;
    std::string domain;  // destination
    std::string remote_host;
    std::string remote_ip;
    std::string tls;
    int code = 0;
    std::string status;
    std::string text;
    std::string detail;
    std::string header_message_id;
    std::uint64_t size = 0;
    std::uint32_t attempt = 0;
    base::Duration elapsed{};  // of the attempt, the session, the acceptance
    // Delays of one recipient: before the queue, in the queue, connecting, transmitting.
    base::Duration delays[4]{};
    std::vector<std::pair<std::string, std::string>> extra;
    std::vector<std::string> recipients;  // of an accepted message with more than one: all
    std::vector<std::string> dialogue;    // of an attempt that failed: the last lines, redacted
    TraceContext trace;                   // empty: the message is not traced
    std::string parent_span;              // of the span that `trace` names; empty: it is the first
    std::vector<Step> steps;              // of a traced message: first the whole of it, then its parts
};

// Makes steps on the scale of the wall clock out of a steady clock's times.
struct StepClock {
    base::WallTime wall{};
    base::SteadyTime steady{};  // at the same moment

    Step step(std::string_view name, base::SteadyTime began, base::SteadyTime ended, std::string error = {}) const {
        return {
            name, base::to_ms(wall) * 1'000'000 + (began - steady).count(), ended - began, std::move(error), {}};
    }
};

// Hot path: record() must not block nor throw; implementations hand on to other threads what may.
class EventSink {
public:
    virtual ~EventSink() = default;
    virtual void record(const Event& event) = 0;  // any thread
};

}  // namespace posthorn::mail
