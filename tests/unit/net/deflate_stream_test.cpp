#include "net/deflate_stream.hpp"

#include <doctest/doctest.h>
#include <zlib.h>

#include "net/sim_loop.hpp"
#include "tests/support/memory_stream.hpp"

using namespace posthorn;
using namespace posthorn::net;

namespace {

constexpr auto kNever = base::SteadyTime::max();

struct Heard {
    std::string text;
    std::size_t largest = 0;
    IoStatus status = IoStatus::ok;
};

Task<> listen(Stream& stream, std::size_t room, Heard* heard) {
    std::string buffer(room, '\0');
    while (true) {
        const auto result = co_await stream.read_some(buffer, kNever);
        heard->status = result.status;
        if (!result.ok()) co_return;
        heard->largest = std::max(heard->largest, result.size);
        heard->text.append(buffer, 0, result.size);
    }
}

Task<> speak(Stream& stream, std::vector<std::string_view> pieces) {
    const auto result = co_await stream.write(std::move(pieces), kNever);
    CHECK(result.ok());
}

struct Pair {
    Pair() {
        auto pair = testing::make_stream_pair(sim.at(0), Endpoint{*IpAddress::parse("192.0.2.1"), 1, {}},
                                              Endpoint{*IpAddress::parse("192.0.2.2"), 143, {}});
        plain = pair.client.get();
        client = make_deflate_stream(std::move(pair.client));
        server = make_deflate_stream(std::move(pair.server));
    }
    ~Pair() { sim.stop(); }

    SimLoops sim;
    Stream* plain = nullptr;  // below `client`
    std::unique_ptr<Stream> client;
    std::unique_ptr<Stream> server;
};

Task<> look(Loop& loop, const Heard* heard, std::size_t* seen) {
    while (heard->text.empty()) co_await yield(loop);
    *seen = heard->text.size();
}

std::string deflated(std::string_view text) {
    z_stream z{};
    deflateInit2(&z, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY);
    std::string out(deflateBound(&z, text.size()) + 16, '\0');
    z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
    z.avail_in = static_cast<uInt>(text.size());
    z.next_out = reinterpret_cast<Bytef*>(out.data());
    z.avail_out = static_cast<uInt>(out.size());
    deflate(&z, Z_SYNC_FLUSH);
    out.resize(out.size() - z.avail_out);
    deflateEnd(&z);
    return out;
}

}  // namespace

TEST_CASE("what one side says compressed the other one hears, at once and in order") {
    Pair p;
    Heard heard;
    spawn(p.sim.at(0), "listen", listen(*p.server, 100, &heard));
    std::string random;
    for (unsigned i = 0, x = 1; i < 300'000; ++i)
        random += static_cast<char>((x = x * 1664525U + 1013904223U) >> 24U);
    std::string expected;
    for (const auto& text : {std::string("a1 NOOP\r\n"), std::string(200'000, 'x'), random, std::string("z")}) {
        spawn(p.sim.at(0), "speak", speak(*p.client, {text, "\r\n"}));
        p.sim.run_until_idle();
        expected += text + "\r\n";
        CHECK(heard.text == expected);
    }
    p.client->close();
    p.sim.run_until_idle();
    CHECK(heard.status == IoStatus::eof);
}

TEST_CASE("a bomb comes out in pieces of the size that was asked for") {
    Pair p;
    Heard heard;
    spawn(p.sim.at(0), "listen", listen(*p.server, 1000, &heard));
    const auto bomb = deflated(std::string(3'000'000, 'x'));
    CHECK(bomb.size() < 4096);
    spawn(p.sim.at(0), "speak", speak(*p.plain, {bomb}));
    p.sim.run_until_idle();
    CHECK(heard.text.size() == 3'000'000);
    CHECK(heard.largest == 1000);
}

TEST_CASE("what is not compressed ends the stream") {
    Pair p;
    Heard heard;
    spawn(p.sim.at(0), "listen", listen(*p.server, 1000, &heard));
    spawn(p.sim.at(0), "speak", speak(*p.plain, {"a1 NOOP\r\n\xff\xff\xff\xff"}));
    p.sim.run_until_idle();
    CHECK(heard.status == IoStatus::error);
}

TEST_CASE("little that becomes much leaves others their turn") {
    Pair p;
    Heard heard;
    std::size_t seen = 0;
    const std::string much(1 << 20, 'x');
    spawn(p.sim.at(0), "listen", listen(*p.server, 100, &heard));
    spawn(p.sim.at(0), "look", look(p.sim.at(0), &heard, &seen));
    const auto packed = deflated(much);
    spawn(p.sim.at(0), "speak", speak(*p.plain, {packed}));
    p.sim.run_until_idle();
    CHECK(heard.text.size() == much.size());
    CHECK(seen < 10'000);
}
