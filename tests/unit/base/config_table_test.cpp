#include "base/config/table.hpp"

#include <doctest/doctest.h>

#include "base/config/reference.hpp"

using namespace posthorn::base;
using namespace posthorn::base::config;
using namespace std::chrono_literals;

namespace {

enum class Newline { reject, normalise };

struct Timeouts {
    Duration command = 5min;
    bool operator==(const Timeouts&) const = default;
};
struct Part {
    std::uint64_t max_size = 50U << 20U;
    int max_recipients = 1000;
    Newline newline = Newline::reject;
    std::optional<bool> strict;
    std::vector<std::string> domains{"example.org"};
    Timeouts timeouts;
    bool operator==(const Part&) const = default;
};
struct Door {
    std::string address = "[::]:25";
    Part part;
    bool operator==(const Door&) const = default;
};
struct Domain {
    std::string name;
    Timeouts timeouts;
    bool operator==(const Domain&) const = default;
};
struct Whole {
    Part part;
    std::vector<Domain> domains;
    std::vector<Door> doors;
    bool operator==(const Whole&) const = default;
};

Table<Timeouts> timeouts_table() {
    return Table<Timeouts>("How long is waited.")
        .key("command", &Timeouts::command, duration({1s, 24h}), "For the next command.");
}
Table<Part> part_table() {
    return Table<Part>("A part.", Applies::at_reload)
        .key("max_size", &Part::max_size, config::size<std::uint64_t>({1024, 1ULL << 40U}), "Largest message.")
        .key("max_recipients", &Part::max_recipients, integer<int>({1, 50'000}), "Most recipients.")
        .key("newline", &Part::newline,
             choice<Newline>({{"reject", Newline::reject}, {"normalise", Newline::normalise}}), "Bare newlines.")
        .key("strict", &Part::strict, optional(flag()), "Strictness.")
        .key("domains", &Part::domains, list(text()), "Names.", Applies::at_start)
        .section("timeouts", &Part::timeouts, timeouts_table())
        .check([](const Part& part, const Report& report) {
            if (part.max_recipients > 1 && part.max_size == 1024) report("max_recipients", "is too many");
        });
}
Table<Domain> domain_table() {
    return Table<Domain>("A domain.")
        .key("command", [](Domain& d) -> auto& { return d.timeouts.command; }, duration(), "For the next command.");
}
Table<Door> door_table() {
    return Table<Door>("A door.")
        .key("address", &Door::address, text(), "Where.")
        .overrides(&Door::part, part_table(), "part");
}
Table<Whole> whole_table() {
    return Table<Whole>("")
        .section("part", &Whole::part, part_table())
        .entries("domains", &Whole::domains, &Domain::name, domain_table(), "example.com")
        .tables("door", &Whole::doors, door_table(),
                [](const Whole& whole) { return Door{.address = "", .part = whole.part}; });
}

template <class T>
Value value(T v, std::uint32_t line = 1) {
    return {std::move(v), {line, 9}};
}
Value table(std::vector<Member> members, std::uint32_t line = 1) { return {std::move(members), {line, 1}}; }
Member member(std::string name, Value v) {
    const Place place{v.place.line, 1};
    return {std::move(name), place, std::move(v)};
}

}  // namespace

TEST_CASE("keys are read into the struct, what is not given keeps its default") {
    Whole whole;
    Problems problems;
    whole_table().read(table({member("part", table({member("max_size", value(std::string("1MiB"))),
                                                    member("strict", value(true))}))}),
                       whole, problems);
    CHECK(problems.text("x") == "");
    CHECK(whole.part.max_size == 1U << 20U);
    CHECK(whole.part.strict == true);
    CHECK(whole.part.max_recipients == 1000);
}

TEST_CASE("every problem is told at once, in the order of the file, with the nearest right key") {
    Whole whole;
    Problems problems;
    whole_table().read(
        table({member("part", table({member("max_recipents", value(std::int64_t{5}, 2)),
                                     member("max_recipients", value(std::int64_t{0}, 3)),
                                     member("newline", value(std::string("normalize"), 4)),
                                     member("command", value(std::string("5m"), 5)),
                                     member("timeouts", table({member("command", value(std::int64_t{5}, 6))}, 6)),
                                     member("domains", value(std::vector<Value>{value(std::int64_t{1})}, 7)),
                                     member("nonsense", value(true, 8))})),
               member("door", table({}, 9))}),
        whole, problems);
    CHECK(problems.text("f.toml") ==
          "f.toml:2:1: unknown key part.max_recipents; did you mean part.max_recipients?\n"
          "f.toml:3:9: part.max_recipients wants an integer from 1 to 50000, not 0\n"
          "f.toml:4:9: part.newline wants one of \"reject\", \"normalise\", not \"normalize\"; did you mean "
          "\"normalise\"?\n"
          "f.toml:5:1: unknown key part.command; did you mean part.timeouts.command?\n"
          "f.toml:6:9: part.timeouts.command wants a duration from 1s to 1d such as \"5m\", not an integer\n"
          "f.toml:7:9: part.domains entry 1 wants a string, not an integer\n"
          "f.toml:8:1: unknown key part.nonsense\n"
          "f.toml:9:1: door wants an array of tables: write [[door]]\n");
}

TEST_CASE("an entry may override the section it starts from") {
    Whole whole;
    Problems problems;
    const auto part = table({member("max_recipients", value(std::int64_t{7}))});
    const auto door = table({member("address", value(std::string("here"))),
                             member("timeouts", table({member("command", value(std::string("2s")))}))});
    whole_table().read(table({member("door", value(std::vector<Value>{door})), member("part", part)}), whole,
                       problems);
    REQUIRE(problems.empty());
    REQUIRE(whole.doors.size() == 1);
    CHECK(whole.doors[0].part.max_recipients == 7);
    CHECK(whole.doors[0].part.timeouts.command == 2s);
    CHECK(whole.part.timeouts.command == 5min);
}

TEST_CASE("a table of named tables becomes a list of entries that know their names") {
    Whole whole;
    Problems problems;
    const auto one = table({member("command", value(std::string("3s")))});
    whole_table().read(table({member("domains", table({member("*.example.com", one), member("b", table({}))}))}),
                       whole, problems);
    REQUIRE(problems.empty());
    CHECK(whole.domains == std::vector<Domain>{{"*.example.com", {3s}}, {"b", {}}});
    CHECK(reference(whole_table(), whole).find("\n[domains.\"*.example.com\"]\n") != std::string::npos);
}

TEST_CASE("a cross-key check complains at the key it names") {
    Whole whole;
    Problems problems;
    whole_table().read(table({member("part", table({member("max_size", value(std::string("1KiB"), 2)),
                                                    member("max_recipients", value(std::int64_t{2}, 3))}))}),
                       whole, problems);
    CHECK(problems.text("f") == "f:3:1: part.max_recipients is too many\n");
}

TEST_CASE("the reference holds every key with its text") {
    const auto text = reference(whole_table(), Whole{});
    CHECK(text.find("# Largest message. Takes a size from 1KiB to 1TiB.\nmax_size = \"50MiB\"\n") !=
          std::string::npos);
    CHECK(text.find(" A change waits for a restart.\ndomains = ") != std::string::npos);
    CHECK(text.find(" A change waits for a restart.\nmax_size = ") == std::string::npos);
    CHECK(text.find("\n[part.timeouts]\n") != std::string::npos);
    CHECK(text.find("\n#strict =\n") != std::string::npos);
    CHECK(text.find("\n#[domains.\"example.com\"]\n") != std::string::npos);
    CHECK(text.find("\n#command = \"5m\"\n") != std::string::npos);
    CHECK(text.find("\n#[[door]]\n") != std::string::npos);
    CHECK(text.find("# Any key of [part] may stand here") != std::string::npos);
}

TEST_CASE("two configurations are compared by key") {
    Whole a, b;
    a.doors = {Door{}, Door{}};
    b.doors = {Door{}, Door{.address = "there"}};
    b.part.timeouts.command = 1s;
    for (auto& door : b.doors) door.part.timeouts.command = 1s;
    CHECK(difference(flat(whole_table(), a), flat(whole_table(), b)) ==
          std::vector<std::string>{"door[1].address", "part.timeouts.command"});
}

TEST_CASE("what holds is listed key by key, of an entry what differs from the section it starts from") {
    Whole whole;
    whole.doors = {Door{.address = "here"}, Door{.address = "there"}};
    whole.doors[1].part.timeouts.command = 2s;
    whole.doors[1].part.max_recipients = whole.part.max_recipients;
    std::vector<std::string> doors;
    for (const auto& entry : entries(whole_table(), whole)) {
        if (entry.path.starts_with("door"))
            doors.push_back(entry.path + " " + entry.section + " " + entry.key + " " + entry.value);
    }
    CHECK(doors == std::vector<std::string>{"door[0].address [[door]] address \"here\"",
                                            "door[1].address [[door]] address \"there\"",
                                            "door[1].timeouts.command [door.timeouts] command \"2s\""});
}

TEST_CASE("each key says when a change of it holds, its table's way or its own") {
    Whole whole;
    whole.doors = {Door{.address = "here", .part = {.max_recipients = 1, .domains = {}}}};
    std::vector<std::string> live;
    std::vector<std::string> others;
    for (const auto& entry : entries(whole_table(), whole))
        (entry.applies == Applies::at_reload ? live : others).push_back(entry.path);
    CHECK(live == std::vector<std::string>{"part.max_size", "part.max_recipients", "part.newline",
                                           "door[0].max_recipients"});
    CHECK(others ==
          std::vector<std::string>{"part.domains", "part.timeouts.command", "door[0].address", "door[0].domains"});
}

TEST_CASE("a secret comes from the environment or a file and is never printed") {
    ::setenv("POSTHORN_TEST_SECRET", "s3cret", 1);
    Secret s;
    CHECK_FALSE(secret().read(table({member("env", value(std::string("POSTHORN_TEST_SECRET")))}), s));
    CHECK(s.value == "s3cret");
    CHECK(secret().print(s) == "{ env = \"POSTHORN_TEST_SECRET\" }");
    CHECK(secret().read(table({member("env", value(std::string("POSTHORN_TEST_UNSET")))}), s) ==
          "the environment has no POSTHORN_TEST_UNSET");
    CHECK_FALSE(secret().read(value(std::string("plain")), s));
    CHECK(secret().print(s) == "\"********\"");
}
