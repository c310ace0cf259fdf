// The resolver on c-ares against a scripted DNS server on loopback.
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <map>
#include <thread>

#include "base/fd.hpp"
#include "base/guarded.hpp"
#include "net/dns.hpp"
#include "tests/unit/net/dns_text.hpp"
#include "tests/unit/net/real_net.hpp"

using namespace posthorn;
using namespace posthorn::net;
using namespace posthorn::net::testing;

namespace {

struct Asked {
    std::string name;
    DnsType type;
    bool tcp;
    int before;  // how often this was asked already
};

// Answers by UDP and TCP on one port, from a thread of its own.
class DnsServer {
public:
    // Replies to send, in order; none: silence.
    using Answer = std::function<std::vector<DnsText>(const Asked&)>;

    explicit DnsServer(Answer answer) : answer_(std::move(answer)), stop_(::eventfd(0, EFD_CLOEXEC)) {
        // A port that is free for both.
        while (true) {
            udp_.reset(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
            tcp_.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
            sockaddr_in at{};
            at.sin_family = AF_INET;
            at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
            REQUIRE(::bind(udp_.get(), reinterpret_cast<sockaddr*>(&at), sizeof at) == 0);
            socklen_t size = sizeof at;
            ::getsockname(udp_.get(), reinterpret_cast<sockaddr*>(&at), &size);
            port_ = ntohs(at.sin_port);
            if (::bind(tcp_.get(), reinterpret_cast<sockaddr*>(&at), sizeof at) == 0) break;
        }
        ::listen(tcp_.get(), 10);
        thread_ = std::thread([this] { run(); });
    }
    ~DnsServer() {
        const std::uint64_t one = 1;
        REQUIRE(::write(stop_.get(), &one, sizeof one) == sizeof one);
        thread_.join();
    }

    std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
    int asked(const std::string& name) const {
        return counts_.with([&](const auto& counts) {
            const auto found = counts.find(name);
            return found == counts.end() ? 0 : found->second;
        });
    }

private:
    void run() {
        while (true) {
            pollfd watched[] = {{stop_.get(), POLLIN, 0}, {udp_.get(), POLLIN, 0}, {tcp_.get(), POLLIN, 0}};
            if (::poll(watched, 3, -1) < 0) continue;
            if (watched[0].revents != 0) return;
            if (watched[1].revents != 0) serve_udp();
            if (watched[2].revents != 0) serve_tcp();
        }
    }

    std::vector<std::string> replies(std::string_view query, bool tcp) {
        Asked asked{{}, DnsType::a, tcp, 0};
        std::size_t at = 12;
        while (at < query.size() && query[at] != 0) {
            const auto length = static_cast<std::size_t>(query[at]);
            if (!asked.name.empty()) asked.name += '.';
            asked.name += query.substr(at + 1, length);
            at += length + 1;
        }
        asked.type = static_cast<DnsType>(static_cast<unsigned char>(query[at + 2]));
        const auto id = static_cast<std::uint16_t>(static_cast<unsigned char>(query[0]) << 8 |
                                                   static_cast<unsigned char>(query[1]));
        asked.before = counts_.with([&](auto& counts) { return counts[asked.name]++; });
        std::vector<std::string> texts;
        for (auto& text : answer_(asked)) {
            text.id = static_cast<std::uint16_t>(text.id + id);  // a script's id is an offset: 0 is the right one
            texts.push_back(text.text());
        }
        return texts;
    }

    void serve_udp() {
        char query[2048];
        sockaddr_in from{};
        socklen_t size = sizeof from;
        const auto got = ::recvfrom(udp_.get(), query, sizeof query, 0, reinterpret_cast<sockaddr*>(&from), &size);
        if (got < 17) return;
        for (const auto& reply : replies({query, static_cast<std::size_t>(got)}, false)) {
            ::sendto(udp_.get(), reply.data(), reply.size(), 0, reinterpret_cast<sockaddr*>(&from), size);
        }
    }

    void serve_tcp() {
        const base::Fd peer(::accept(tcp_.get(), nullptr, nullptr));
        char query[2048];
        std::size_t have = 0;
        while (have < 19) {
            const auto got = ::recv(peer.get(), query + have, sizeof query - have, 0);
            if (got <= 0) return;
            have += static_cast<std::size_t>(got);
        }
        for (const auto& reply : replies({query + 2, have - 2}, true)) {
            const auto framed = u16(static_cast<unsigned>(reply.size())) + reply;
            ::send(peer.get(), framed.data(), framed.size(), MSG_NOSIGNAL);
        }
        ::recv(peer.get(), query, sizeof query, 0);  // until it leaves
    }

    Answer answer_;
    base::Fd stop_;
    base::Fd udp_;
    base::Fd tcp_;
    std::uint16_t port_ = 0;
    base::Guarded<std::map<std::string, int>> counts_;
    std::thread thread_;
};

struct Resolving {
    explicit Resolving(DnsServer::Answer answer, base::Duration timeout = 5s, int tries = 2)
        : server(std::move(answer)), loops(make_loops(2)) {
        DnsConfig config;
        config.servers = {server.address()};
        config.timeout = timeout;
        config.tries = tries;
        auto made = make_resolver(*loops, config);
        REQUIRE(made);
        resolver = std::move(*made);
        loops->start();
    }
    ~Resolving() {
        loops->stop();
        resolver.reset();
    }

    template <class T>
    T get(Task<T> task) {
        std::promise<T> result;
        spawn(loops->at(0), "lookup", keep(std::move(task), &result));
        return result.get_future().get();
    }
    MxAnswer mx(std::string name) { return get(resolver->mx(loops->at(0), std::move(name))); }
    AddressAnswer addresses(std::string name) { return get(resolver->addresses(loops->at(0), std::move(name))); }
    TxtAnswer txt(std::string name) { return get(resolver->txt(loops->at(0), std::move(name))); }

    template <class T>
    static Task<> keep(Task<T> task, std::promise<T>* into) {
        auto value = co_await std::move(task);
        into->set_value(std::move(value));
    }

    DnsServer server;
    std::unique_ptr<LoopGroup> loops;
    std::unique_ptr<Resolver> resolver;
};

std::vector<DnsText> zone(const Asked& asked) {
    DnsText text(asked.name, asked.type);
    if (asked.name == "example.org" && asked.type == DnsType::mx) {
        text.mx("example.org", 300, 20, "mx2.example.org").mx("example.org", 300, 10, "mx1.example.org");
    } else if (asked.name == "mx1.example.org") {
        text.a("mx1.example.org", 100, asked.type == DnsType::a ? "192.0.2.1" : "2001:db8::1");
    } else if (asked.name == "four.example.org" && asked.type == DnsType::a) {
        text.a("four.example.org", 100, "192.0.2.4");
    } else if (asked.name == "none.example.org") {
        text.rcode(3).soa("example.org", 60, 60);
    } else if (asked.name == "broken.example.org") {
        text.rcode(2);
    } else if (asked.name == "example.org" && asked.type == DnsType::txt) {
        text.add("example.org", DnsType::txt, 5, "\x04text");
    } else {
        text.soa("example.org", 60, 60);
    }
    return {text};
}

}  // namespace

TEST_CASE("MX, addresses and TXT are found, then answered from the cache") {
    Resolving r(zone);
    for (int i = 0; i < 3; ++i) {
        const auto mx = r.mx("Example.org.");
        CHECK(mx.status == DnsStatus::ok);
        CHECK(mx.records == std::vector<MxRecord>{{20, "mx2.example.org"}, {10, "mx1.example.org"}});
        CHECK(mx.ttl > 290s);
        CHECK(mx.ttl <= 300s);
    }
    CHECK(r.server.asked("example.org") == 1);
    const auto both = r.addresses("mx1.example.org");
    CHECK(both.status == DnsStatus::ok);
    REQUIRE(both.addresses.size() == 2);
    CHECK(both.addresses[0].to_string() == "2001:db8::1");
    CHECK(both.addresses[1].to_string() == "192.0.2.1");
    CHECK(r.addresses("four.example.org").addresses.size() == 1);
    CHECK(r.txt("example.org").texts == std::vector<std::string>{"text"});
    const auto health = r.resolver->health();
    CHECK(health.ok);
    CHECK(health.cache_hits == 2);
    CHECK(health.queries == 6);
    CHECK(health.cache_entries == 6);
    r.resolver->clear_cache("example.org");
    CHECK(r.resolver->health().cache_entries == 4);
    r.resolver->clear_cache();
    CHECK(r.mx("example.org").status == DnsStatus::ok);
    CHECK(r.server.asked("example.org") == 3);
}

TEST_CASE("what is not there is told apart from what could not be learned") {
    Resolving r(zone);
    CHECK(r.mx("none.example.org").status == DnsStatus::nxdomain);
    CHECK(r.mx("none.example.org").status == DnsStatus::nxdomain);
    CHECK(r.server.asked("none.example.org") == 1);
    CHECK(r.mx("four.example.org").status == DnsStatus::no_data);
    CHECK(r.mx("broken.example.org").status == DnsStatus::servfail);
    CHECK(r.addresses("broken.example.org").status == DnsStatus::servfail);
    CHECK(r.resolver->health().ok);
}

TEST_CASE("localhost and what is no name are not asked for") {
    Resolving r(zone);
    const auto local = r.addresses("localhost");
    REQUIRE(local.addresses.size() == 2);
    CHECK(local.addresses[0].to_string() == "::1");
    CHECK(r.addresses("a.localhost").status == DnsStatus::ok);
    CHECK(r.mx("localhost").status == DnsStatus::no_data);
    CHECK(r.mx("192.0.2.1").status == DnsStatus::bad_name);
    CHECK(r.mx("a b").status == DnsStatus::bad_name);
    CHECK(r.mx("").status == DnsStatus::bad_name);
    CHECK(r.resolver->health().queries == 0);
}

TEST_CASE("equal questions under way are asked once") {
    Resolving r(zone);
    std::vector<std::promise<MxAnswer>> answers(20);
    r.loops->at(0).post([&] {
        for (auto& answer : answers) {
            spawn(r.loops->at(0), "mx", Resolving::keep(r.resolver->mx(r.loops->at(0), "example.org"), &answer));
        }
    });
    for (auto& answer : answers) CHECK(answer.get_future().get().status == DnsStatus::ok);
    CHECK(r.server.asked("example.org") == 1);
}

TEST_CASE("silence is asked again, and then timed out") {
    Resolving again([](const Asked& asked) { return asked.before == 0 ? std::vector<DnsText>{} : zone(asked); },
                    30ms);
    CHECK(again.mx("example.org").status == DnsStatus::ok);
    CHECK(again.server.asked("example.org") == 2);
    Resolving never([](const Asked&) { return std::vector<DnsText>{}; }, 10ms);
    CHECK(never.mx("example.org").status == DnsStatus::timed_out);
    CHECK(never.server.asked("example.org") == 2);
    CHECK(never.resolver->health().ok);
}

TEST_CASE("a reply with the wrong id or question is not believed") {
    Resolving r([](const Asked& asked) {
        DnsText lie(asked.name, asked.type);
        lie.id = 1;
        lie.mx(asked.name, 300, 1, "evil.example");
        DnsText other("other.example", asked.type);
        other.mx("other.example", 300, 1, "evil.example");
        auto truth = zone(asked);
        return std::vector<DnsText>{lie, other, truth[0]};
    });
    CHECK(r.mx("example.org").records.size() == 2);
    CHECK(r.mx("example.org").records[0].host == "mx2.example.org");
}

TEST_CASE("garbage is a server's failure") {
    Resolving r([](const Asked& asked) {
        DnsText text(asked.name, asked.type);
        text.answers.push_back("\xC0\x0C garbage");
        return std::vector<DnsText>{text};
    });
    const auto answer = r.mx("example.org");
    CHECK(answer.status == DnsStatus::servfail);
    CHECK(answer.text.find("malformed") != std::string::npos);
}

TEST_CASE("a truncated answer is fetched by TCP") {
    std::atomic<int> by_tcp{0};
    Resolving r([&by_tcp](const Asked& asked) {
        DnsText text(asked.name, asked.type);
        if (!asked.tcp) {
            text.flags |= 0x0200;
            return std::vector<DnsText>{text};
        }
        ++by_tcp;
        for (unsigned i = 0; i < 100; ++i) text.mx(asked.name, 300, i, "mx" + std::to_string(i) + ".example.org");
        return std::vector<DnsText>{text};
    });
    CHECK(r.mx("big.example.org").records.size() == 100);
    CHECK(by_tcp == 1);
}

TEST_CASE("CNAMEs over several answers are followed, but not for ever") {
    Resolving r([](const Asked& asked) {
        DnsText text(asked.name, asked.type);
        if (asked.name == "end.example")
            text.a("end.example", 300, "192.0.2.1");
        else if (asked.name == "www.example")
            text.cname("www.example", 7, "middle.example");
        else if (asked.name == "middle.example")
            text.cname("middle.example", 300, "end.example");
        else
            text.cname(asked.name, 300, "x" + asked.name);
        return std::vector<DnsText>{text};
    });
    const auto found = r.addresses("www.example");
    CHECK(found.status == DnsStatus::ok);
    CHECK(found.ttl <= 7s);
    CHECK(r.addresses("loop.example").status == DnsStatus::servfail);
}

TEST_CASE("no server at all is a local failure, and health says so until one answers") {
    const auto loops = make_loops(1);
    auto closed = bind_listener(parse_endpoint("127.0.0.1:0").value());  // its UDP port is not open
    REQUIRE(closed);
    DnsConfig config;
    config.servers = {(*closed)->local().to_string()};
    config.timeout = 50ms;
    config.tries = 1;
    auto resolver = make_resolver(*loops, config);
    REQUIRE(resolver);
    loops->start();
    std::promise<MxAnswer> answer;
    spawn(loops->at(0), "mx", Resolving::keep((*resolver)->mx(loops->at(0), "example.org"), &answer));
    CHECK(answer.get_future().get().status == DnsStatus::local);
    CHECK_FALSE((*resolver)->health().ok);
    CHECK((*resolver)->health().text.find("example.org") != std::string::npos);
    loops->stop();
}

TEST_CASE("an end with questions under way leaves nothing behind") {
    Resolving r([](const Asked&) { return std::vector<DnsText>{}; });
    std::promise<MxAnswer> never;
    spawn(r.loops->at(0), "mx", Resolving::keep(r.resolver->mx(r.loops->at(0), "example.org"), &never));
    while (r.server.asked("example.org") == 0) std::this_thread::yield();
}

TEST_CASE("a server that is no address is refused") {
    const auto loops = make_loops(1);
    for (const auto* bad : {"dns.example.org", "127.0.0.1:99999", "", "::1:53:53:x"}) {
        CAPTURE(bad);
        DnsConfig config;
        config.servers = {bad};
        CHECK_FALSE(make_resolver(*loops, config));
    }
}
