// One call of the store that fails, and what the client hears all the same.
#include <doctest/doctest.h>

#include "fixture.hpp"

using namespace posthorn;
using namespace posthorn::testing;

namespace {

// Of the calls from now on the one of that number fails, alone.
void fail_call(ImapFixture& f, int which) {
    f.store.before_calls([&f, left = which]() mutable {
        const base::Error error{.kind = base::ErrorKind::temporary, .log_text = "disk on fire"};
        f.store.fail_with(--left == 0 ? std::optional(error) : std::nullopt);
    });
}

}  // namespace

TEST_CASE("\\Seen is told though the message's body cannot be read") {
    ImapFixture f;
    f.put("Subject: x\r\n\r\nx\r\n");
    auto client = f.in("INBOX");
    client->heard();
    fail_call(f, 3);  // behind messages() and store_flags(): open()
    const auto told = f.say(*client, "a FETCH 1 BODY[]\r\n");
    CHECK(told.starts_with("* 1 FETCH (FLAGS (\\Seen))\r\na OK [EXPUNGEISSUED]"));
}
