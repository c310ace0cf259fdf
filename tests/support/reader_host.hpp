// PROTOCOL-host CERTIFICATE KEY: a reader on two ports of 127.0.0.1 (STARTTLS, implicit TLS), for an account whose
// password is "secret" and whose mail is in memory. Says "ready PORT PORT", then obeys lines of standard input about
// ann@example.org: "put FILE" delivers it to INBOX, "many N" N small ones, "content MAILBOX FOLDER" writes what is there
// into files 0, 1 …; each is answered with the number of messages in INBOX, "content" with that of the mailbox. Ends with
// its input, orderly.
#pragma once

#include <fmt/format.h>

#include <fstream>
#include <future>
#include <iostream>
#include <iterator>
#include <sstream>

#include "auth/password.hpp"
#include "base/metrics.hpp"
#include "net/doors.hpp"
#include "tests/support/fake_provider.hpp"
#include "tests/support/memory_store.hpp"

namespace posthorn::testing {

inline const mail::AccountName kAccount{"ann", "example.org"};

inline net::Task<> append(net::Loop& loop, store::Store& store, std::vector<store::NewMessage> messages,
                          std::shared_ptr<std::promise<void>> done) {
    const auto box = co_await store.mailbox(loop, kAccount, "INBOX");
    if (box) {
        const auto added = co_await store.append(loop, kAccount, box->id, std::move(messages), std::nullopt);
        static_cast<void>(added);
    }
    done->set_value();
}

inline std::string read_file(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

template <class Service>
class ReaderHost {
public:
    ReaderHost(const std::string& certificate, const std::string& key) {
        provider_.add(kAccount.text(), "secret");
        for (const auto hash : {auth::ScramHash::sha_1, auth::ScramHash::sha_256})
            provider_.set_scram(kAccount.text(), hash,
                                auth::scram_secrets("secret", "a salt of ann's", 4096, hash));
        auto tls = net::make_tls_server({.certificate = certificate, .key = key});
        if (!tls) throw std::runtime_error(tls.error().log_text);
        typename Service::Config config{.hostname = "mx.example.org", .listeners = {}, .tls = *tls};
        for (const auto kind : {net::ListenerTls::starttls, net::ListenerTls::implicit}) {
            typename Service::ListenerConfig listener;
            listener.address.ip = *net::IpAddress::parse("127.0.0.1");
            listener.tls = kind;
            listener.limits.max_connections_per_client = 200;
            config.listeners.push_back(listener);
        }
        if (auto bound = service_.bind(std::move(config)); !bound) throw std::runtime_error(bound.error().log_text);
        loops_->start();
        service_.start(provider_, store_);
    }

    void run() {
        const auto ports = service_.endpoints();
        std::cout << fmt::format("ready {} {}", ports[0].port, ports[1].port) << std::endl;
        std::string line;
        while (std::getline(std::cin, line)) {
            std::istringstream words(line);
            std::string verb;
            std::string argument;
            std::string folder;
            words >> verb >> argument >> folder;
            std::cout << obey(verb, argument, folder) << std::endl;
        }
        service_.shut_down();
        if (!service_.wait_drained(std::chrono::seconds(5))) service_.close_sessions();
        service_.wait_drained(std::chrono::seconds(5));
        loops_->stop();
    }

private:
    std::size_t obey(const std::string& verb, const std::string& argument, const std::string& folder) {
        if (verb == "put") put({read_file(argument)});
        if (verb == "many") {
            std::vector<std::string> texts;
            for (int i = 0; i < std::stoi(argument); ++i)
                texts.push_back(fmt::format("Subject: {}\r\nMessage-ID: <many{}@x>\r\n\r\nx\r\n", i, i));
            put(std::move(texts));
        }
        if (verb != "content") return store_.content(kAccount).size();
        const auto all = store_.content(kAccount, argument);
        for (std::size_t i = 0; i < all.size(); ++i)
            std::ofstream(folder + "/" + std::to_string(i), std::ios::binary) << all[i];
        return all.size();
    }

    void put(std::vector<std::string> texts) {
        std::vector<store::NewMessage> messages(texts.size());
        for (std::size_t i = 0; i < texts.size(); ++i) {
            messages[i].received = base::SystemClock().wall();
            messages[i].body = std::make_shared<store::MemorySource>(std::move(texts[i]));
        }
        auto done = std::make_shared<std::promise<void>>();
        auto waits = done->get_future();
        net::spawn(loops_->at(0), "append", append(loops_->at(0), store_, std::move(messages), std::move(done)));
        waits.wait();
    }

    base::Metrics metrics_;
    std::unique_ptr<net::LoopGroup> loops_ = net::make_loops(1);
    test::MemoryStore store_;
    FakeProvider provider_;  // for one thread: one loop
    Service service_{*loops_, metrics_};
};

template <class Service>
int host_main(int argc, char** argv) {
    if (argc != 3) return 2;
    ReaderHost<Service>(argv[1], argv[2]).run();
    return 0;
}

}  // namespace posthorn::testing
