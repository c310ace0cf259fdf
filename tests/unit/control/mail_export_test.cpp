#include <doctest/doctest.h>

#include <cerrno>

#include "base/log.hpp"
#include "control/mail_commands.hpp"
#include "net/sim_loop.hpp"
#include "tests/support/memory_store.hpp"

using namespace posthorn;

namespace {

const mail::AccountName kJane{"jane", "example.org"};

// Bodies whose octets are this cannot be read.
class DamagedStore final : public test::MemoryStore {
public:
    explicit DamagedStore(int code) : code_(code) {}
    Task<std::shared_ptr<store::Body>> open(net::Loop& loop, Account account, store::EmailId email) override {
        auto body = co_await MemoryStore::open(loop, std::move(account), email);
        if (!body) co_return body;
        const auto octets = co_await (*body)->read(loop, 0, 100);
        if (octets && *octets == "bad")
            co_return std::unexpected(base::Error{base::ErrorKind::temporary, "4.3.0", "no", "damaged", code_});
        co_return body;
    }

private:
    const int code_;
};

template <class T>
net::Task<> keep(net::Task<base::Result<T>> task, std::optional<base::Result<T>>& result) {
    base::Result<T> got = co_await std::move(task);
    result.emplace(std::move(got));
}

template <class T>
base::Result<T> answer(net::SimLoops& loops, net::Task<base::Result<T>> task) {
    std::optional<base::Result<T>> result;
    net::spawn(loops.at(0), "call", keep(std::move(task), result));
    loops.run_until_idle();
    REQUIRE(result.has_value());
    return *std::move(result);
}

void deliver(net::SimLoops& loops, store::Store& store, const std::string& text, std::uint8_t id) {
    store::Delivery one;
    one.id.bytes[0] = id;
    one.message.body = std::make_shared<store::MemorySource>(text);
    REQUIRE(answer(loops, store.deliver(loops.at(0), kJane, std::move(one))));
}

// The octets of what comes; the error, if it ends with one.
base::Result<std::string> exported(net::SimLoops& loops, control::Parts& parts) {
    std::string out;
    while (true) {
        const auto next = answer(loops, parts.next(loops.at(0)));
        if (!next) return std::unexpected(next.error());
        if (!*next) return out;
        for (const auto& item : *(*next)->items()) {
            if (const auto* octets = item.as<control::Bytes>()) out += octets->octets;
        }
    }
}

}  // namespace

TEST_CASE("a damaged message does not keep the others from being exported") {
    const base::log::Capture log;
    net::SimLoops loops;
    for (const int code : {EUCLEAN, EIO}) {
        CAPTURE(code);
        DamagedStore store(code);
        std::uint8_t id = 0;
        for (const auto* text : {"one ", "bad", "three"}) deliver(loops, store, text, ++id);
        auto handlers = control::make_mail_export_handlers(store);
        auto reply = answer(
            loops, handlers["store.export"](loops.at(0), control::Value::map().set("account", kJane.text())));
        REQUIRE(reply);
        const auto all = exported(loops, *reply->parts);
        CHECK(all.has_value() == (code == EUCLEAN));
        if (!all) continue;
        CHECK(*all == "one three");
        CHECK(reply->parts->info().find("messages")->integer() == 2);
        CHECK(reply->parts->info().find("damaged")->integer() == 1);
        CHECK(log.contains("store.export_damaged"));
    }
}
