#include "proto/imap/append_parser.hpp"

#include <utility>

#include "base/ascii.hpp"
#include "proto/imap/scanner.hpp"

namespace posthorn::imap {
namespace {

using Kind = AppendEvent::Kind;

// Behind the tag: APPEND, REPLACE or UID REPLACE.
std::string verb_of(Scanner& s) {
    s.tag();
    s.space();
    return s.word();
}

}  // namespace

bool AppendParser::wants(std::string_view text) {
    Scanner s(text, false);
    auto verb = verb_of(s);
    if (verb == "UID" && s.eat(' ')) {
        verb = s.word();
        return s.ok() && verb == "REPLACE";
    }
    return s.ok() && (verb == "APPEND" || verb == "REPLACE");
}

AppendParser::AppendParser(std::string_view command, bool utf8) : utf8_(utf8) {
    Scanner s(command, false);
    tag_ = s.tag();
}

// One call of parse(). `waits_`: the literal at the end is a string.
struct AppendParser::Run {
    AppendParser& parser;
    Scanner s;
    bool announced;
    bool waits = false;
    std::vector<AppendEvent> events{};
    Stage stage;

    Run(AppendParser& p, std::string_view text, bool a)
        : parser(p), s(text, p.utf8_), announced(a), stage(p.stage_) {}

    // A string may be the literal that is yet to come.
    bool string_comes() {
        if (s.ok() && s.at_end() && announced) waits = true;
        return !waits;
    }

    void head() {
        AppendEvent open{.kind = Kind::open};
        auto verb = verb_of(s);
        if (verb == "UID") {
            open.uid = true;
            s.space();
            verb = s.word();
        }
        s.space();
        if (verb == "REPLACE") {
            open.replaces = s.sequence_set();
            parser.replace_ = true;
            s.space();
        }
        if (!string_comes()) return;
        open.text = s.mailbox();
        events.push_back(std::move(open));
        message();
    }

    void message() {
        AppendEvent begin{.kind = Kind::message};
        s.space();
        if (s.peek() == '(') {
            begin.flags = s.flag_list();
            s.space();
        }
        if (s.peek() == '"') {
            begin.date = s.date_time();
            s.space();
        }
        if (s.at_end() && announced) {
            events.push_back(std::move(begin));
            literal(Stage::after_message);
        } else if (s.eat_word("UTF8")) {
            begin.utf8 = true;
            events.push_back(std::move(begin));
            s.space();
            s.expect('(');
            literal(Stage::in_utf8);
        } else if (s.eat_word("CATENATE")) {
            events.push_back(std::move(begin));
            s.space();
            s.expect('(');
            part();
        } else {
            s.fail("Expected a message");
        }
    }

    void literal(Stage next) {
        if (!s.at_end() || !announced) return s.fail("Expected a message");
        events.push_back({.kind = Kind::literal});
        stage = next;
    }

    void part() {
        while (s.ok()) {
            if (s.eat_word("TEXT")) {
                s.space();
                return literal(Stage::in_catenate);
            }
            if (!s.eat_word("URL")) return s.fail("Expected TEXT or URL");
            s.space();
            if (!string_comes()) return;
            events.push_back({.kind = Kind::url, .text = s.astring()});
            if (s.eat(')')) return message_over();
            s.space();
        }
    }

    void message_over() {
        events.push_back({.kind = Kind::message_end});
        stage = Stage::after_message;
        if (!s.at_end() || announced) {
            if (parser.replace_) return s.fail("One message replaces one");
            return message();
        }
        events.push_back({.kind = Kind::end});
    }

    void go() {
        switch (stage) {
            case Stage::head: return head();
            case Stage::after_message: return message_over();
            case Stage::in_utf8: s.expect(')'); return message_over();
            case Stage::in_catenate:
                if (s.eat(')')) return message_over();
                s.space();
                return part();
        }
    }
};

std::expected<std::optional<std::vector<AppendEvent>>, std::string> AppendParser::parse(std::string_view text,
                                                                                        bool announced) {
    Run run(*this, text, announced);
    run.go();
    if (!run.s.ok()) return std::unexpected(std::string(run.s.failure()));
    if (run.waits) return std::optional<std::vector<AppendEvent>>{};
    stage_ = run.stage;
    return std::optional(std::move(run.events));
}

}  // namespace posthorn::imap
