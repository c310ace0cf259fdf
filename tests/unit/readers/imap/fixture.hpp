#pragma once

#include "readers/imap/service.hpp"
#include "tests/support/reader_fixture.hpp"

namespace posthorn::testing {

struct ImapFixture : ReaderFixture<imap::Service> {
    ImapFixture() : ReaderFixture(143) {}

    // Logged in; with a mailbox selected where one is named.
    std::unique_ptr<LineClient> in(const std::string& mailbox = {}) {
        auto client = connect();
        client->heard();
        say(*client, "l LOGIN ann@example.org secret\r\n");
        if (!mailbox.empty()) say(*client, "s SELECT " + mailbox + "\r\n");
        return client;
    }
};

}  // namespace posthorn::testing
