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
