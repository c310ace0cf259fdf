#include "proto/imap/mailbox_view.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>

using namespace posthorn::imap;

namespace {

// A client that believes what it is told, and nothing else.
struct Client {
    std::vector<std::uint32_t> uids;  // by message number

    void hear(const MailboxView& view, const MailboxView::Told& told) {
        for (const auto number : told.expunged) {
            REQUIRE(number >= 1);
            REQUIRE(number <= uids.size());
            REQUIRE(told.vanished.contains(uids[number - 1]));
            uids.erase(uids.begin() + (number - 1));
        }
        if (!told.exists) return;
        REQUIRE(view.size() > uids.size());
        while (uids.size() < view.size()) uids.push_back(view.uid_at(static_cast<std::uint32_t>(uids.size() + 1)));
    }
};

struct Session {
    MailboxView view;
    Client client;
    std::size_t heard = 0;  // changes of the log
};

struct Change {
    bool arrival = false;
    NumberSet uids;
};

}  // namespace

TEST_CASE("numbers and UIDs") {
    MailboxView view;
    view.reset(NumberSet{4, 7, 8, 9, 20});
    CHECK(view.size() == 5);
    CHECK(view.uid_at(3) == 8);
    CHECK(view.number_of(20) == 5);
    CHECK(view.number_of(10) == 0);
    CHECK(view.number_of(1) == 0);
    CHECK(view.uids_of({2, 3, 5, 9}).text() == "7:8,20");
    CHECK(view.numbers_of({1, 4, 9, 10, 20, 21}).text() == "1,4:5");
    CHECK(view.all().text() == "4,7:9,20");
    CHECK(view.largest_uid() == 20);
    CHECK_THROWS(view.uid_at(6));
    CHECK_THROWS(view.uid_at(0));
}

TEST_CASE("an expunge waits for its turn, and numbers stay meanwhile") {
    MailboxView view;
    view.reset(NumberSet{1, 2, 3, 4, 5});
    view.vanished({2, 4, 99});
    view.arrived({6});
    auto told = view.tell(false);
    CHECK(told.expunged.empty());
    CHECK(told.exists);
    CHECK(view.size() == 6);
    CHECK(view.number_of(5) == 5);
    CHECK(view.has_news());
    told = view.tell(true);
    CHECK(told.expunged == std::vector<std::uint32_t>{4, 2});
    CHECK(told.vanished.text() == "2,4");
    CHECK_FALSE(told.exists);
    CHECK(view.all().text() == "1,3,5:6");
    CHECK_FALSE(view.has_news());
}

TEST_CASE("what came and went unheard is not told; a UID never comes back") {
    MailboxView view;
    view.reset(NumberSet{1});
    view.arrived({2, 3});
    view.vanished({3});
    CHECK(view.tell(true).arrived.text() == "2");
    view.vanished({1, 2});
    view.tell(true);
    view.arrived({2, 3});
    CHECK_FALSE(view.has_news());
    CHECK(view.size() == 0);
    CHECK(view.largest_uid() == 0);
}

TEST_CASE("fifty sessions on one mailbox, each at its own pace, all come to the same") {
    for (unsigned seed = 1; seed <= 20; ++seed) {
        CAPTURE(seed);
        std::mt19937 random(seed);
        std::vector<std::uint32_t> truth;
        std::uint32_t next_uid = 1;
        std::vector<Change> log;
        std::vector<Session> sessions(50);
        for (int step = 0; step < 600; ++step) {
            auto& session = sessions[random() % sessions.size()];
            switch (random() % 6) {
                case 0:
                case 1: {  // messages come; a gap in UIDs now and then
                    Change change{.arrival = true, .uids = {}};
                    next_uid += random() % 4 == 0 ? 3 : 0;
                    for (auto n = random() % 4 + 1; n > 0; --n) {
                        change.uids.add(next_uid);
                        truth.push_back(next_uid++);
                    }
                    log.push_back(change);
                    break;
                }
                case 2: {  // some go
                    Change change;
                    for (auto n = random() % 3; n > 0 && !truth.empty(); --n) {
                        const auto at = random() % truth.size();
                        change.uids.add(truth[at]);
                        truth.erase(truth.begin() + static_cast<std::ptrdiff_t>(at));
                    }
                    log.push_back(change);
                    break;
                }
                default:  // a session hears some of the log, and tells its client
                    for (auto n = random() % 8; n > 0 && session.heard < log.size(); --n) {
                        const auto& change = log[session.heard++];
                        change.arrival ? session.view.arrived(change.uids) : session.view.vanished(change.uids);
                    }
                    session.client.hear(session.view, session.view.tell(random() % 2 == 0));
            }
            REQUIRE(session.client.uids.size() == session.view.size());
            for (std::size_t i = 0; i < session.client.uids.size(); ++i) {
                const auto number = static_cast<std::uint32_t>(i + 1);
                REQUIRE(session.view.uid_at(number) == session.client.uids[i]);
                REQUIRE(session.view.number_of(session.client.uids[i]) == number);
            }
        }
        for (auto& session : sessions) {
            for (; session.heard < log.size(); ++session.heard) {
                const auto& change = log[session.heard];
                change.arrival ? session.view.arrived(change.uids) : session.view.vanished(change.uids);
            }
            session.client.hear(session.view, session.view.tell(true));
            REQUIRE(session.client.uids == truth);
        }
    }
}
