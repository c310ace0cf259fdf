// A shutdown that waits no longer, while a command waits for the store.
#include <doctest/doctest.h>

#include "fixture.hpp"

using namespace posthorn;
using namespace posthorn::testing;

TEST_CASE("what a hurried shutdown cuts short is not said to be done") {
    for (const auto* command :
         {"SEARCH UNSEEN", "SORT (SUBJECT) UTF-8 UNSEEN", "THREAD REFERENCES UTF-8 UNSEEN", "FETCH 1:* FLAGS"}) {
        CAPTURE(command);
        ImapFixture f;
        f.put("Subject: x\r\n\r\nx\r\n");
        f.put("Subject: y\r\n\r\ny\r\n");
        auto client = f.in("INBOX");
        client->heard();
        f.store.before_calls([&f] { f.service.close_sessions(); });
        const auto told = f.say(*client, std::string("a ") + command + "\r\n");
        f.store.before_calls({});
        CAPTURE(told);
        CHECK(told.find("a OK") == std::string::npos);
        CHECK(client->closed());
        CHECK(f.service.sessions() == 0);
    }
}

TEST_CASE("a hurried shutdown leaves a change its reply") {
    ImapFixture f;
    f.put("Subject: x\r\n\r\nx\r\n");
    auto client = f.in("INBOX");
    client->heard();
    f.store.before_calls([&f] { f.service.close_sessions(); });
    CHECK(f.say(*client, "a STORE 1 +FLAGS.SILENT (\\Seen)\r\n").starts_with("a OK Stored\r\n"));
    f.store.before_calls({});
    CHECK(client->closed());
}
