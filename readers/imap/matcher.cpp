#include "readers/imap/matcher.hpp"

#include <algorithm>

#include "base/ascii.hpp"

namespace posthorn::imap {
namespace {

using Kind = SearchKey::Kind;

constexpr std::int64_t kDay = 24 * 60 * 60;

Answer answer(bool yes) { return yes ? Answer::yes : Answer::no; }
Answer opposite(Answer a) { return a == Answer::unknown ? a : answer(a == Answer::no); }

std::int64_t day_of(std::int64_t seconds) { return (seconds >= 0 ? seconds : seconds - kDay + 1) / kDay; }

Answer on_day(Kind kind, std::int64_t day, const SearchKey& key) {
    const auto wanted = static_cast<std::int64_t>(key.number);
    switch (kind) {
        case Kind::before: return answer(day < wanted);
        case Kind::on: return answer(day == wanted);
        default: return answer(day >= wanted);
    }
}

// RFC 9051 §6.4.4: the Date field, disregarding time and zone; the internal date where there is none.
Answer match_sent(Kind kind, const SearchKey& key, const Known& known) {
    if (known.summary == nullptr || known.message == nullptr) return Answer::unknown;
    const auto& envelope = known.summary->envelope;
    const auto seconds =
        envelope.sent ? *envelope.sent + envelope.zone_minutes * 60 : base::to_ms(known.message->received) / 1000;
    return on_day(kind, day_of(seconds), key);
}

bool has_keyword(const Known& known, std::string_view name) {
    const auto& keywords = *known.keywords;
    for (unsigned i = 0; i < keywords.size(); ++i) {
        if (base::iequals(keywords[i], name)) return (known.message->entry.flags & store::flag::keyword(i)) != 0;
    }
    return false;
}

bool in_set(const SearchKey& key, const Known& known) {
    if (key.set.saved) return known.saved->contains(known.uid);
    if (key.kind == Kind::uid) return key.set.contains(known.uid, known.view->largest_uid());
    return key.set.contains(known.number, known.view->size());
}

Answer match_children(const SearchKey& key, const Known& known, std::size_t& texts) {
    const bool every = key.kind == Kind::every;
    const auto decides = every ? Answer::no : Answer::yes;
    auto result = every ? Answer::yes : Answer::no;
    for (const auto& child : key.children) {
        const auto a = match(child, known, texts);  // all of them: texts are counted
        if (a == decides) {
            result = a;
        } else if (a == Answer::unknown && result != decides) {
            result = a;
        }
    }
    return result;
}

// Of flags, dates and sizes.
Answer match_entry(const SearchKey& key, const Known& known) {
    if (known.message == nullptr) return Answer::unknown;
    const auto& entry = known.message->entry;
    const auto received = base::to_ms(known.message->received);
    const auto age = (known.now - received) / 1000;
    switch (key.kind) {
        case Kind::flag: return answer((entry.flags & key.number) == key.number);
        case Kind::keyword: return answer(has_keyword(known, key.text));
        case Kind::before:
        case Kind::on:
        case Kind::since: return on_day(key.kind, day_of(received / 1000), key);
        // RFC 8514 §4.3: without save dates the internal date counts.
        case Kind::saved_before: return on_day(Kind::before, day_of(received / 1000), key);
        case Kind::saved_on: return on_day(Kind::on, day_of(received / 1000), key);
        case Kind::saved_since: return on_day(Kind::since, day_of(received / 1000), key);
        case Kind::older: return answer(age >= static_cast<std::int64_t>(key.number));
        case Kind::younger: return answer(age < static_cast<std::int64_t>(key.number));
        case Kind::larger: return answer(entry.size > key.number);
        case Kind::smaller: return answer(entry.size < key.number);
        case Kind::modseq: return answer(entry.modseq >= key.number);
        case Kind::email_id: return answer(key.text == "M" + std::to_string(entry.email));
        case Kind::thread_id: return answer(key.text == "T" + std::to_string(known.message->thread));
        default: return Answer::no;
    }
}

}  // namespace

bool is_text(const SearchKey& key) {
    return key.kind == Kind::header || key.kind == Kind::body || key.kind == Kind::text;
}

bool wants_entry(const SearchKey& key) {
    switch (key.kind) {
        case Kind::all:
        case Kind::sequence:
        case Kind::uid:
        case Kind::recent:
        case Kind::save_date_supported:
        case Kind::header:
        case Kind::body:
        case Kind::text: return false;
        case Kind::every:
        case Kind::either:
        case Kind::negated: return std::ranges::any_of(key.children, wants_entry);
        default: return true;
    }
}

Answer match(const SearchKey& key, const Known& known, std::size_t& texts) {
    switch (key.kind) {
        case Kind::all: return Answer::yes;
        case Kind::every:
        case Kind::either: return match_children(key, known, texts);
        case Kind::negated: return opposite(match(key.children.front(), known, texts));
        case Kind::sequence:
        case Kind::uid: return answer(in_set(key, known));
        case Kind::recent:
        case Kind::save_date_supported: return Answer::no;
        case Kind::sent_before: return match_sent(Kind::before, key, known);
        case Kind::sent_on: return match_sent(Kind::on, key, known);
        case Kind::sent_since: return match_sent(Kind::since, key, known);
        case Kind::header:
        case Kind::body:
        case Kind::text: {
            const auto at = texts++;
            return known.texts == nullptr ? Answer::unknown : answer((*known.texts)[at]);
        }
        default: return match_entry(key, known);
    }
}

}  // namespace posthorn::imap
