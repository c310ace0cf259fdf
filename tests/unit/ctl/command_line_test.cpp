#include "ctl/command_line.hpp"

#include <doctest/doctest.h>

#include "ctl/config_text.hpp"
#include "ctl/message_text.hpp"
#include "ctl/show.hpp"
#include "ctl/watch.hpp"

using namespace posthorn;
using namespace posthorn::ctl;
using control::Value;

namespace {

std::expected<CommandLine, std::string> parse(std::vector<std::string> words) { return parse_command_line(words); }

constexpr auto kId = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

}  // namespace

TEST_CASE("words become a command and its arguments") {
    const auto line =
        parse({"--control-socket", "/x", "queue", "list", "--older-than=1h", "--limit", "5", "--json"});
    REQUIRE(line);
    CHECK(line->command->name == "queue.list");
    CHECK(line->socket == "/x");
    CHECK(line->json);
    CHECK(parse({"--token", "t", "system", "ping"})->token == "t");
    CHECK(parse({"system", "ping", "--token-file=/t"})->token_file == "/t");
    CHECK(line->args == Value::map().set("older_than", "1h").set("limit", 5));
}

TEST_CASE("plain words are ids or the one thing a command is about") {
    CHECK(parse({"queue", "view", kId})->args == Value::map().set("id", kId));
    CHECK(parse({"queue", "retry", kId, kId})->args == Value::map().set("ids", Value::list().add(kId).add(kId)));
    CHECK(parse({"queue", "freeze", "--all"})->args == Value::map().set("all", true));
    CHECK(parse({"trace", "a@b", "--since", "2d"})->args == Value::map().set("since", "2d").set("what", "a@b"));
    CHECK(parse({"system", "log-level", "debug"})->args == Value::map().set("level", "debug"));
    CHECK(parse({"system", "log-level", "smtp", "debug"})->args ==
          Value::map().set("component", "smtp").set("level", "debug"));
    CHECK(parse({"system", "log-level"})->args == Value::map());
    CHECK(parse({"system", "log-level", "a", "debug", "c"}).error() == "system log-level takes no \"c\"");
    CHECK(parse({"destinations"})->args == Value::map());
    CHECK(parse({"rate", "set", "a.b", "--per-second", "0.5", "--burst", "3"})->args ==
          Value::map().set("per_second", 0.5).set("burst", 3).set("domain", "a.b"));
    CHECK(parse({"rate", "set", "a.b", "--per-second", "fast", "--burst", "3"}).error() ==
          "--per-second wants a number, not fast");
    CHECK(parse({"rate", "set", "a.b", "--per-second", "-1", "--burst", "3"}).error() ==
          "argument per_second wants a number from 0 to 1000000");
    CHECK(parse({"rate", "set", "a.b", "--per-second", "nan", "--burst", "3"}).error() ==
          "argument per_second wants a number from 0 to 1000000");
    CHECK(parse({"trace"}).error() == "trace needs the argument what");
}

TEST_CASE("wrong usage is told in a sentence") {
    CHECK(parse({"queue", "lst"}).error() == "there is no command \"queue lst\"; did you mean \"queue list\"?");
    CHECK(parse({"queue"}).error().starts_with("there is no command \"queue\""));
    CHECK(parse({"queue", "list", "--limt", "5"}).error() ==
          "queue list has no option --limt; did you mean --limit?");
    CHECK(parse({"queue", "list", "--limit"}).error() == "--limit wants a value");
    CHECK(parse({"queue", "list", "--limit", "many"}).error() == "--limit wants an integer, not many");
    CHECK(parse({"queue", "view"}).error() == "queue.view needs the argument id");
    CHECK(parse({"queue", "view", kId, kId}).error().starts_with("queue view takes no"));
    CHECK(parse({"queue", "retry", "x"}).error() == "\"x\" is not a message id");
    CHECK(parse({"queue", "freeze", "--all", "--all"}).error() == "all is given twice");
    CHECK(parse({"queue", "export", kId, "--json"}).error() ==
          "queue export gives the message itself: there is no JSON of it");
    CHECK(parse({"queue", "stats", "--interval", "5"}).error() == "--interval goes with --watch");
    CHECK(parse({}).error() == "what? see mailctl --help");
}

TEST_CASE("help is made from the table") {
    CHECK(parse({"--help"})->command == nullptr);
    CHECK(parse({"queue", "list", "--help"})->help_for == "queue list");
    CHECK(help_text("").find("system ping") != std::string::npos);
    CHECK(help_text("queue").find("system ping") == std::string::npos);
    CHECK(help_text("queue list").find("--older-than") != std::string::npos);
}

TEST_CASE("lists are shown as aligned tables, maps as fields") {
    const auto to = [](const char* address) { return Value::map().set("address", address); };
    auto rows = Value::list();
    rows.add(Value::map().set("id", "A").set("to", Value::list().add(to("jürgen@x")).add(to("b"))).set("size", 5));
    rows.add(Value::map().set("id", "LONG").set("to", Value::list()).set("size", 1234));
    CHECK(show(rows) ==
          "ID    TO           SIZE\n"
          "A     jürgen@x +1  5\n"
          "LONG  -            1234\n");
    auto status = Value::map();
    status.set("ready", true).set("spool", Value::map().set("messages", 3)).set("notes", Value::list().add("one"));
    CHECK(show(status) == "ready: yes\nspool:\n  messages: 3\nnotes:\n  one\n");
    CHECK(show(Value::list()) == "none\n");
}

TEST_CASE("a list is shown as it comes: the same columns, no line twice, JSON that is whole") {
    const auto row = [](const char* id, int size) { return Value::map().set("id", id).set("size", size); };
    ListShow text(false);
    CHECK(text.part({row("A", 1), row("BB", 2)}) == "ID  SIZE\nA   1\nBB  2\n");
    CHECK(text.part({}) == "");
    CHECK(text.part({row("CCC", 3)}) == "CCC  3\n");
    CHECK(text.end(Value::map().set("matched", 7).set("given", 3)) == "(3 of 7)\n");
    CHECK(ListShow(false).end({}) == "none\n");
    ListShow orders(false);
    orders.part({row("A", 1)});
    CHECK(orders.end(Value::map().set("changed", 1)) == "(1 done)\n");

    auto all = Value::list();
    all.add(row("A", 1)).add(row("B", 2)).add(row("C", 3));
    ListShow json(true);
    std::string shown = json.part({row("A", 1)});
    shown += json.part({row("B", 2), row("C", 3)});
    CHECK(shown + json.end({}) == control::to_json(all, true) + "\n");
    CHECK(ListShow(true).end({}) == "[]\n");
}

TEST_CASE("the configuration is shown as TOML, in whatever pieces it comes") {
    const auto key = [](std::string path, std::string section, std::string name, Value value) {
        return Value::map().set("path", path).set("section", section).set("key", name).set("value", value);
    };
    ConfigText text;
    std::string shown = text.part({key("a.one", "[a]", "one", 1), key("a.two", "[a]", "two", "x\"y")});
    shown += text.part({key("a.three", "[a]", "three", Value::list().add("b").add(2.5)),
                        key("l[0].k", "[[l]]", "k", true).set("running", false)});
    shown += text.part({key("l[1].k", "[[l]]", "k", Value::map().set("a b", 1)).set("running", Value())});
    CHECK(shown ==
          "[a]\none = 1\ntwo = \"x\\\"y\"\nthree = [\"b\", 2.5]\n\n"
          "[[l]]\nk = true  # from the next start; now false\n\n"
          "[[l]]\nk = { \"a b\" = 1 }  # from the next start; now not set\n");
}

TEST_CASE("a message's text is shown without what would steer a terminal, however it is cut") {
    const std::string text = "A: \x1b[31m\r\n\tb\xC3\xA9 \xFF\r\nlast";
    for (std::size_t step = 1; step <= text.size(); ++step) {
        CAPTURE(step);
        MessageShow show;
        MessageJson json("headers");
        RawShow raw;
        std::string shown, octets;
        const auto give = [&](const Value::List& items) {
            shown += show.part(items);
            json.part(items);
            octets += raw.part(items);
        };
        give({Value::map().set("id", "x")});
        for (std::size_t at = 0; at < text.size(); at += step) give({control::Bytes{text.substr(at, step)}});
        CHECK(shown + show.end({}) == "id: x\n\nA:  [31m\n\tb\xC3\xA9 ?\nlast\n");
        CHECK(json.end({}) ==
              "{\n  \"id\": \"x\",\n  \"headers\": \"A: \\u001b[31m\\r\\n\\tb\xC3\xA9 \\ufffd\\r\\nlast\"\n}\n");
        CHECK(octets == text);
    }
}

TEST_CASE("what is mailctl's own is not sent") {
    const auto line = parse({"queue", "stats", "--watch", "--interval", "5"});
    REQUIRE(line);
    CHECK(line->args == Value::map());
    CHECK(line->own == Value::map().set("watch", true).set("interval", 5));
    CHECK(control::check_args(*line->command, line->own) == "queue.stats has no argument watch");
}

TEST_CASE("a live table stays within the terminal") {
    CHECK(screen("one\ntwo\n", {.rows = 10, .columns = 80}) == "\x1b[Hone\x1b[K\ntwo\x1b[K\n\x1b[J");
    CHECK(screen("one\ntwo\nthree\nfour\n", {.rows = 4, .columns = 80}) ==
          "\x1b[Hone\x1b[K\ntwo\x1b[K\n(2 more lines)\x1b[K\n\x1b[J");
    CHECK(screen("\xC3\xA9\xC3\xA9\xC3\xA9", {.rows = 10, .columns = 2}) == "\x1b[H\xC3\xA9\xC3\xA9\x1b[K\n\x1b[J");
}
