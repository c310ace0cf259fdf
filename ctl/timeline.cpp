#include "ctl/timeline.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <vector>

#include "base/utf8.hpp"

namespace posthorn::ctl {
namespace {

using control::Value;

constexpr std::size_t kMaxText = 400;
constexpr std::string_view kMargin =
    "                                        ";  // below what is told, right of the time

std::string text(const Value& event, std::string_view key) {
    const auto* value = event.find(key);
    if (value == nullptr || value->nil()) return {};
    if (value->as<std::string>() != nullptr) return base::printable(value->text(), kMaxText);
    return control::to_json(*value, false);
}

struct Story {
    std::vector<const Value*> events;
    const Value* accepted = nullptr;
};

// By message; a session's events belong to each message that came by it, or are a story of their own.
std::vector<std::pair<std::string, Story>> stories_of(const Value::List& events) {
    std::map<std::string, std::vector<std::string>> messages_of_session;
    for (const auto& event : events) {
        if (text(event, "event") == "accepted")
            messages_of_session[text(event, "session_id")].push_back(text(event, "message_id"));
    }
    std::vector<std::pair<std::string, Story>> out;
    std::map<std::string, std::size_t> places;
    const auto add = [&](const std::string& key, const Value& event) {
        const auto [place, fresh] = places.try_emplace(key, out.size());
        if (fresh) out.emplace_back(key, Story{});
        auto& story = out[place->second].second;
        story.events.push_back(&event);
        if (text(event, "event") == "accepted") story.accepted = &event;
    };
    for (const auto& event : events) {
        const auto id = text(event, "message_id");
        const auto session = text(event, "session_id");
        const auto carried = messages_of_session.find(session);
        if (!id.empty())
            add("message " + id, event);
        else if (carried != messages_of_session.end())
            for (const auto& message : carried->second) add("message " + message, event);
        else
            add("session " + session, event);
    }
    for (auto& [key, story] : out)
        std::ranges::stable_sort(story.events, {}, [](const Value* event) { return text(*event, "time"); });
    return out;
}

std::string reply(const Value& event) {
    std::string out;
    for (const auto* key : {"smtp_code", "enhanced_code", "text"}) {
        const auto part = text(event, key);
        if (!part.empty()) out += (out.empty() ? "" : " ") + part;
    }
    return out;
}

std::string server(const Value& event) {
    auto out = text(event, "server");
    const auto ip = text(event, "server_ip");
    if (!ip.empty() && ip != out) out += (out.empty() ? "[" : " [") + ip + "]";
    const auto tls = text(event, "tls");
    if (!tls.empty()) out += ", " + tls;
    return out;
}

void append(std::string& out, std::string_view separator, const std::string& more) {
    if (more.empty()) return;
    if (!out.empty()) out += separator;
    out += more;
}

std::string connected(const Value& event) {
    std::string out;
    const auto ip = text(event, "client_ip");
    append(out, "", ip.empty() ? "a local client" : ip);
    append(out, ", ", text(event, "listener"));
    return out;
}

std::string rejected(const Value& event) {
    std::string out = text(event, "detail");
    append(out, " ", text(event, "recipient"));
    append(out, ": ", reply(event));
    const auto sender = text(event, "sender");
    if (!sender.empty()) append(out, " ", "(from " + sender + ")");
    return out;
}

std::string accepted(const Value& event) {
    std::string out = "from " + text(event, "sender") + " to " + text(event, "recipient");
    if (const auto* all = event.find("recipients");
        all != nullptr && all->items() != nullptr && all->items()->size() > 1)
        out += fmt::format(" and {} more", all->items()->size() - 1);
    out += fmt::format(", {} octets", text(event, "size"));
    append(out, ", ", reply(event));
    return out;
}

// What a recipient's event is about, and how it went.
std::string outcome(const Value& event) {
    std::string out = text(event, "recipient");
    append(out, " at ", server(event));
    append(out, ": ", reply(event));
    return out;
}

// Where it came to rest: at a server, in a mailbox of ours; or that it was an alias, and what became of it.
std::string delivered(const Value& event) {
    std::string out = text(event, "recipient");
    const auto account = text(event, "account");
    const auto onward = text(event, "goes_on_as");
    append(out, " at ", server(event));
    if (!account.empty()) append(out, " in ", text(event, "mailbox") + " of " + account);
    append(out, ", goes on as ", onward);
    return out;
}

std::string login_refused(const Value& event) {
    std::string out = text(event, "sender");
    append(out, " from ", text(event, "client_ip"));
    append(out, " by ", text(event, "service"));
    append(out, " ", text(event, "mechanism"));
    append(out, ": ", text(event, "text"));
    return out;
}

std::string told(const std::string& kind, const Value& event) {
    if (kind == "connected") return connected(event);
    if (kind == "tls_started") return text(event, "tls");
    if (kind == "rejected" || kind == "security") return rejected(event);
    if (kind == "accepted") return accepted(event);
    if (kind == "attempt") {
        auto out = outcome(event);
        append(out, " ", fmt::format("({} ms)", text(event, "elapsed_ms")));
        return out;
    }
    if (kind == "delivered") return delivered(event);
    if (kind == "login_refused") return login_refused(event);
    if (kind == "deferred") return text(event, "recipient") + ", next try " + text(event, "next_try");
    if (kind == "rate_limited") return text(event, "text") + ", next try " + text(event, "next_try");
    if (kind == "bounced" || kind == "expired") return outcome(event);
    if (kind == "dsn_sent") return text(event, "detail") + " to " + text(event, "recipient");
    std::string out = text(event, "recipient");
    append(out, " ", reply(event));
    return out;
}

std::string label(const std::string& kind, const Value& event) {
    if (kind == "attempt") return "attempt " + text(event, "attempt");
    if (kind == "tls_started") return "TLS";
    std::string out = kind;
    std::ranges::replace(out, '_', ' ');
    return out;
}

// "2026-11-21T14:50:39.123Z" without what a reader knows.
std::string moment(const Value& event) {
    auto time = text(event, "time");
    std::ranges::replace(time, 'T', ' ');
    if (time.ends_with('Z')) time.pop_back();
    return time;
}

std::string show(const std::string& key, const Story& story) {
    std::string out = key;
    if (story.accepted != nullptr) append(out, ", Message-ID ", text(*story.accepted, "header_message_id"));
    out += '\n';
    for (const auto* event : story.events) {
        const auto kind = text(*event, "event");
        out += fmt::format("  {}  {:<13} {}\n", moment(*event), label(kind, *event), told(kind, *event));
        if (const auto* dialogue = event->find("dialogue"); dialogue != nullptr && dialogue->items() != nullptr) {
            for (const auto& line : *dialogue->items())
                out += fmt::format("{} {}\n", kMargin, base::printable(line.text(), kMaxText));
        }
    }
    return out;
}

}  // namespace

std::string timeline(const Value& events, const Value& info) {
    std::string out;
    if (events.items() == nullptr || events.items()->empty()) return "nothing is known of it\n";
    for (const auto& [key, story] : stories_of(*events.items()))
        out += (out.empty() ? "" : "\n") + show(key, story);
    const auto* left = info.find("left_out");
    if (left != nullptr && left->integer().value_or(0) > 0)
        out += fmt::format("\n({} older ones are left out: --limit, --since)\n", *left->integer());
    return out;
}

}  // namespace posthorn::ctl
