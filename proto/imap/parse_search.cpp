// SEARCH, SORT and THREAD: search programs.
#include <array>

#include "base/ascii.hpp"
#include "proto/imap/limits.hpp"
#include "proto/imap/parser.hpp"

namespace posthorn::imap::detail {
namespace {

using Kind = SearchKey::Kind;

enum class Argument : std::uint8_t {
    none,
    flag,     // `bits` must be set,
    no_flag,  // or must not
    text,
    header,  // `name` is the field
    any_header,
    keyword,
    no_keyword,
    date,
    number,
    uids,
    modseq,
    id,
    negate,
    either,
    fuzzy,
};

struct Row {
    std::string_view name;
    Kind kind;
    Argument argument = Argument::none;
    std::uint64_t bits = 0;
};

constexpr auto kKeys = std::to_array<Row>({
    {"ALL", Kind::all},
    {"ANSWERED", Kind::flag, Argument::flag, flag::answered},
    {"BCC", Kind::header, Argument::header},
    {"BEFORE", Kind::before, Argument::date},
    {"BODY", Kind::body, Argument::text},
    {"CC", Kind::header, Argument::header},
    {"DELETED", Kind::flag, Argument::flag, flag::deleted},
    {"DRAFT", Kind::flag, Argument::flag, flag::draft},
    {"EMAILID", Kind::email_id, Argument::id},
    {"FLAGGED", Kind::flag, Argument::flag, flag::flagged},
    {"FROM", Kind::header, Argument::header},
    {"FUZZY", Kind::all, Argument::fuzzy},
    {"HEADER", Kind::header, Argument::any_header},
    {"KEYWORD", Kind::keyword, Argument::keyword},
    {"LARGER", Kind::larger, Argument::number},
    {"MODSEQ", Kind::modseq, Argument::modseq},
    {"NEW", Kind::recent},  // RFC 3501: (RECENT UNSEEN); nothing is \Recent
    {"NOT", Kind::negated, Argument::negate},
    {"OLD", Kind::all},  // RFC 3501: NOT RECENT
    {"OLDER", Kind::older, Argument::number},
    {"ON", Kind::on, Argument::date},
    {"OR", Kind::either, Argument::either},
    {"RECENT", Kind::recent},
    {"SAVEDBEFORE", Kind::saved_before, Argument::date},
    {"SAVEDON", Kind::saved_on, Argument::date},
    {"SAVEDSINCE", Kind::saved_since, Argument::date},
    {"SAVEDATESUPPORTED", Kind::save_date_supported},
    {"SEEN", Kind::flag, Argument::flag, flag::seen},
    {"SENTBEFORE", Kind::sent_before, Argument::date},
    {"SENTON", Kind::sent_on, Argument::date},
    {"SENTSINCE", Kind::sent_since, Argument::date},
    {"SINCE", Kind::since, Argument::date},
    {"SMALLER", Kind::smaller, Argument::number},
    {"SUBJECT", Kind::header, Argument::header},
    {"TEXT", Kind::text, Argument::text},
    {"THREADID", Kind::thread_id, Argument::id},
    {"TO", Kind::header, Argument::header},
    {"UID", Kind::uid, Argument::uids},
    {"UNANSWERED", Kind::flag, Argument::no_flag, flag::answered},
    {"UNDELETED", Kind::flag, Argument::no_flag, flag::deleted},
    {"UNDRAFT", Kind::flag, Argument::no_flag, flag::draft},
    {"UNFLAGGED", Kind::flag, Argument::no_flag, flag::flagged},
    {"UNKEYWORD", Kind::keyword, Argument::no_keyword},
    {"UNSEEN", Kind::flag, Argument::no_flag, flag::seen},
    {"YOUNGER", Kind::younger, Argument::number},
});

SearchKey negate(SearchKey key) {
    SearchKey out{.kind = Kind::negated};
    out.children.push_back(std::move(key));
    return out;
}

class Program {
public:
    explicit Program(Scanner& s) : s_(s) {}

    // search-key *(SP search-key), up to the end or a closing parenthesis
    SearchKey all(std::size_t depth) {
        SearchKey every{.kind = Kind::every};
        do every.children.push_back(one(depth));
        while (s_.ok() && s_.eat(' '));
        if (every.children.size() == 1) {
            auto only = std::move(every.children.front());
            return only;
        }
        return every;
    }

private:
    SearchKey one(std::size_t depth) {
        if (depth > Limits::search_depth || ++count_ > Limits::search_keys) {
            s_.fail("Too complex a search");
            return {};
        }
        if (s_.eat('(')) {
            auto inner = all(depth + 1);
            s_.expect(')');
            return inner;
        }
        const char c = s_.peek();
        if (base::is_digit(c) || c == '*' || c == '$') {
            return {.kind = Kind::sequence, .set = s_.sequence_set()};
        }
        const auto name = s_.word();
        for (const auto& row : kKeys) {
            if (row.name == name) return argument(row, depth);
        }
        s_.fail("There is no such search key");
        return {};
    }

    SearchKey argument(const Row& row, std::size_t depth) {
        SearchKey key{.kind = row.kind};
        if (row.argument == Argument::none) return key;
        if (row.argument == Argument::flag || row.argument == Argument::no_flag) {
            key.number = row.bits;
            return row.argument == Argument::flag ? key : negate(std::move(key));
        }
        s_.space();
        switch (row.argument) {
            case Argument::text: key.text = s_.astring(); break;
            case Argument::header:
                key.field = base::lower(row.name);
                key.text = s_.astring();
                break;
            case Argument::any_header:
                key.field = base::lower(s_.astring());
                s_.space();
                key.text = s_.astring();
                break;
            case Argument::keyword: key.text = s_.atom(); break;
            case Argument::no_keyword: key.text = s_.atom(); return negate(std::move(key));
            case Argument::date: key.number = static_cast<std::uint64_t>(s_.date()); break;
            case Argument::number:
                key.number = s_.number64();
                if (key.number == 0 && (row.kind == Kind::older || row.kind == Kind::younger)) s_.fail("0 seconds");
                break;
            case Argument::uids: key.set = s_.sequence_set(); break;
            case Argument::modseq: modseq(key); break;
            case Argument::id: key.text = s_.atom(); break;
            case Argument::negate: return negate(one(depth + 1));
            case Argument::either:
                key.children.push_back(one(depth + 1));
                s_.space();
                key.children.push_back(one(depth + 1));
                break;
            case Argument::fuzzy:
                key = one(depth + 1);
                key.fuzzy = true;
                break;
            default: break;
        }
        return key;
    }

    // RFC 7162 §3.1.5: "MODSEQ ["/flags/\\draft" all] 620162338"; the entry means nothing to us.
    void modseq(SearchKey& key) {
        if (s_.peek() == '"') {
            s_.string();
            s_.space();
            s_.atom();
            s_.space();
        }
        key.number = s_.modseq();
    }

    Scanner& s_;
    std::size_t count_ = 0;
};

Results parse_results(Scanner& s) {
    Results results{.given = true};
    s.space();
    s.expect('(');
    if (!s.eat(')')) {
        do {
            const auto name = s.word();
            if (name == "MIN") {
                results.min = true;
            } else if (name == "MAX") {
                results.max = true;
            } else if (name == "ALL") {
                results.all = true;
            } else if (name == "COUNT") {
                results.count = true;
            } else if (name == "SAVE") {
                results.save = true;
            } else if (name == "PARTIAL") {
                s.space();
                results.partial = parse_partial(s);
            } else {
                s.fail("There is no such result option");
            }
        } while (s.ok() && s.eat(' '));
        s.expect(')');
    }
    // RFC 9051 §6.4.4: "()" is ALL.
    if (!results.min && !results.max && !results.count && !results.save && !results.partial) results.all = true;
    return results;
}

Results maybe_results(Scanner& s) {
    if (!s.rest().starts_with(' ') || !base::istarts_with(s.rest().substr(1), "RETURN ")) return {};
    s.space();
    s.eat_word("RETURN");
    return parse_results(s);
}

SortCriterion criterion(Scanner& s) {
    using By = SortCriterion::By;
    static constexpr auto names = std::to_array<std::pair<std::string_view, By>>({
        {"ARRIVAL", By::arrival},
        {"CC", By::cc},
        {"DATE", By::date},
        {"DISPLAYFROM", By::display_from},
        {"DISPLAYTO", By::display_to},
        {"FROM", By::from},
        {"SIZE", By::size},
        {"SUBJECT", By::subject},
        {"TO", By::to},
    });
    SortCriterion out;
    auto name = s.word();
    if (name == "REVERSE") {
        out.reverse = true;
        s.space();
        name = s.word();
    }
    for (const auto& [text, by] : names) {
        if (text != name) continue;
        out.by = by;
        return out;
    }
    s.fail("There is no such sort key");
    return out;
}

}  // namespace

Body parse_search(Scanner& s) {
    Search command;
    command.results = maybe_results(s);
    s.space();
    if (s.eat_word("CHARSET")) {
        s.space();
        command.charset = base::upper(s.astring());
        s.space();
    }
    command.key = Program(s).all(0);
    return command;
}

// RFC 5256 §3
Body parse_sort(Scanner& s) {
    Sort command;
    command.results = maybe_results(s);
    s.space();
    s.expect('(');
    do command.criteria.push_back(criterion(s));
    while (s.ok() && command.criteria.size() < 20 && s.eat(' '));
    s.expect(')');
    s.space();
    command.charset = base::upper(s.astring());
    s.space();
    command.key = Program(s).all(0);
    return command;
}

Body parse_thread(Scanner& s) {
    Thread command;
    s.space();
    command.algorithm = s.word();
    s.space();
    command.charset = base::upper(s.astring());
    s.space();
    command.key = Program(s).all(0);
    return command;
}

}  // namespace posthorn::imap::detail
