#include "store/values.hpp"

#include <doctest/doctest.h>

using namespace posthorn::store;

TEST_CASE("a mailbox's name") {
    CHECK(mailbox_name("Work/2026") == "Work/2026");
    CHECK(mailbox_name("inbox") == "INBOX");
    CHECK(mailbox_name("Inbox/sub") == "INBOX/sub");
    CHECK(mailbox_name("inboxes") == "inboxes");
    CHECK(mailbox_name("caf\xc3\xa9") == "caf\xc3\xa9");
    for (const char* bad : {"", "/", "a/", "/a", "a//b", ".", "..", "a/../b", "a\nb", "\xff", "a\x7f"}) {
        CAPTURE(bad);
        CHECK_FALSE(mailbox_name(bad));
    }
    CHECK(mailbox_name(std::string(1000, 'a')));
    CHECK_FALSE(mailbox_name(std::string(1001, 'a')));
}

TEST_CASE("keywords are atoms") {
    for (const char* good : {"$Forwarded", "NonJunk", "a.b"}) CHECK(valid_keyword(good));
    for (const char* bad : {"", "\\Seen", "a b", "a(b", "a]", "\xc3\xa9", "a*"}) {
        CAPTURE(bad);
        CHECK_FALSE(valid_keyword(bad));
    }
}

TEST_CASE("roles have names") {
    for (int i = 1; i < 10; ++i) CHECK(parse_role(name(static_cast<Role>(i))) == static_cast<Role>(i));
    CHECK_FALSE(parse_role(""));
    CHECK_FALSE(parse_role("Drafts"));
}
