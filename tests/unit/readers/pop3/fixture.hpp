#pragma once

#include "readers/pop3/service.hpp"
#include "tests/support/reader_fixture.hpp"

namespace posthorn::testing {

struct PopFixture : ReaderFixture<pop3::Service> {
    PopFixture() : ReaderFixture(110) {}

    std::unique_ptr<LineClient> in(const char* user = "ann@example.org") {
        auto client = connect();
        client->heard();
        say(*client, std::string("USER ") + user + "\r\nPASS secret\r\n");
        return client;
    }
    std::vector<std::string> inbox() const { return store.content(ann); }
};

}  // namespace posthorn::testing
