#include "proto/imap/list.hpp"

#include <doctest/doctest.h>

using namespace posthorn::imap;

namespace {

std::vector<ListEntry> mailboxes() {
    return {{.name = "INBOX", .subscribed = true},
            {.name = "Fruit"},
            {.name = "Fruit/Apple", .subscribed = true},
            {.name = "Fruit/Pear/Small", .subscribed = true},  // Fruit/Pear was deleted
            {.name = "Gone", .exists = false, .subscribed = true},
            {.name = "Sent", .use = "\\Sent"}};
}

std::string rows(List list) {
    std::string out;
    for (const auto& row : list_rows(list, mailboxes())) put_list_row(out, list, row, false);
    return out;
}

}  // namespace

TEST_CASE("patterns") {
    CHECK(list_match("*", "a/b"));
    CHECK(list_match("%", "a"));
    CHECK_FALSE(list_match("%", "a/b"));
    CHECK(list_match("a/%", "a/b"));
    CHECK(list_match("%/b", "a/b"));
    CHECK(list_match("a*c", "a/b/c"));
    CHECK_FALSE(list_match("a%c", "a/b/c"));
    CHECK(list_match("inbox", "INBOX"));
    CHECK(list_match("InBox/x", "INBOX/x"));
    CHECK_FALSE(list_match("sent", "Sent"));
    CHECK(list_match("%%*", ""));
    CHECK_FALSE(list_match("", "a"));
}

TEST_CASE("LIST") {
    CHECK(rows({.patterns = {"%"}}) ==
          "* LIST (\\HasChildren) \"/\" Fruit\r\n* LIST (\\HasNoChildren) \"/\" INBOX\r\n"
          "* LIST (\\HasNoChildren \\Sent) \"/\" Sent\r\n");
    CHECK(
        rows({.reference = "Fruit/", .patterns = {"%"}}) ==
        "* LIST (\\HasNoChildren) \"/\" Fruit/Apple\r\n* LIST (\\NonExistent \\HasChildren) \"/\" Fruit/Pear\r\n");
    CHECK(rows({.patterns = {"x", "Sent", "S*"}}) == "* LIST (\\HasNoChildren \\Sent) \"/\" Sent\r\n");
    CHECK(rows({.extended = true, .patterns = {"*"}, .special_use = true}) ==
          "* LIST (\\HasNoChildren \\Sent) \"/\" Sent\r\n");
}

TEST_CASE("subscriptions") {  // RFC 5258 §5
    CHECK(rows({.extended = true, .patterns = {"*"}, .subscribed = true}) ==
          "* LIST (\\Subscribed \\HasNoChildren) \"/\" Fruit/Apple\r\n"
          "* LIST (\\Subscribed \\HasNoChildren) \"/\" Fruit/Pear/Small\r\n"
          "* LIST (\\NonExistent \\Subscribed \\HasNoChildren) \"/\" Gone\r\n"
          "* LIST (\\Subscribed \\HasNoChildren) \"/\" INBOX\r\n");
    CHECK(rows({.extended = true, .patterns = {"%"}, .subscribed = true, .recursive_match = true}) ==
          "* LIST (\\HasChildren) \"/\" Fruit (\"CHILDINFO\" (\"SUBSCRIBED\"))\r\n"
          "* LIST (\\NonExistent \\Subscribed \\HasNoChildren) \"/\" Gone\r\n"
          "* LIST (\\Subscribed \\HasNoChildren) \"/\" INBOX\r\n");
    CHECK(rows({.lsub = true, .patterns = {"*"}}) ==
          "* LSUB () \"/\" Fruit/Apple\r\n* LSUB () \"/\" Fruit/Pear/Small\r\n* LSUB () \"/\" Gone\r\n"
          "* LSUB () \"/\" INBOX\r\n");
    CHECK(rows({.lsub = true, .patterns = {"%"}}) ==
          "* LSUB (\\Noselect) \"/\" Fruit\r\n* LSUB () \"/\" Gone\r\n* LSUB () \"/\" INBOX\r\n");
    CHECK(rows({.extended = true, .patterns = {"INBOX"}, .return_subscribed = true}) ==
          "* LIST (\\Subscribed \\HasNoChildren) \"/\" INBOX\r\n");
}

TEST_CASE("wildcards side by side are one") {
    CHECK(list_match("a**%*c", "a/b/c"));
    CHECK(list_match("%%", "ab"));
    CHECK_FALSE(list_match("%%", "a/b"));
    CHECK(list_match("%*", "a/b"));
    CHECK(list_match("*%", "a/b"));
    CHECK(list_match("", ""));
    CHECK_FALSE(list_match("abc", "ab"));
}

TEST_CASE("a LIST in slices gives what it gives at once") {
    List list{.extended = true};
    std::vector<ListEntry> entries;
    for (int i = 0; i < 40; ++i) {
        entries.push_back({.name = "Level" + std::to_string(i % 7) + "/aaaaaaaaaaaaaaaaaaaa" + std::to_string(i),
                           .subscribed = i % 3 == 0});
    }
    for (int i = 0; i < 50; ++i) list.patterns.push_back("*a*a*a*a*a*a*" + std::to_string(i));
    const auto whole = list_rows(list, entries);
    CHECK(whole.size() > 10);
    for (const std::size_t octets : {1, 1000, 100'000}) {
        ListRun run(list, entries);
        std::size_t slices = 1;
        while (run.match(octets)) ++slices;
        const auto rows = run.rows();
        REQUIRE(rows.size() == whole.size());
        for (std::size_t i = 0; i < rows.size(); ++i) {
            CHECK(rows[i].name == whole[i].name);
            CHECK(rows[i].attributes == whole[i].attributes);
        }
        if (octets == 1) CHECK(slices > 400);
    }
}
