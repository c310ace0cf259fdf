// What receiving costs without the disk: one loop, loopback sockets, a queue that forgets. Prints messages a second
// and the processor time of the server's side a message.
//
//   bench-receive [messages] [octets a message] [connections]
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "base/metrics.hpp"
#include "mta/receiver.hpp"

using namespace posthorn;

namespace {

class ForgettingIntake final : public spool::Intake {
public:
    bool append(std::string_view bytes) override {
        bytes_ += bytes;
        return false;
    }
    net::Task<base::Result<void>> flush() override { co_return base::Result<void>{}; }
    std::uint64_t size() const override { return bytes_.size(); }
    const std::optional<base::Error>& error() const override { return none_; }

private:
    std::string bytes_;
    std::optional<base::Error> none_;
};

class ForgettingQueue final : public spool::Queue {
public:
    base::Result<std::unique_ptr<spool::Intake>> begin(net::Loop&, std::uint64_t) override {
        return std::make_unique<ForgettingIntake>();
    }
    net::Task<base::Result<void>> commit(net::Loop&, mail::Envelope, std::unique_ptr<spool::Intake>) override {
        ++taken;
        co_return base::Result<void>{};
    }
    void record(spool::StateChange, Recorded) override {}
    net::Task<base::Result<spool::StoredMessage>> load(net::Loop&, base::Ulid) override {
        co_return base::fail(base::ErrorKind::permanent, "forgotten");
    }
    std::size_t shard_of(const base::Ulid&) const override { return 0; }
    Walked walk(std::uint64_t, std::size_t) const override { return {}; }
    bool knows(const base::Ulid&) const override { return false; }
    void attach(std::vector<spool::QueueOwner*>) override {}
    void set_in_hand(std::size_t, std::optional<base::Ulid>) override {}
    spool::QueueStats stats() const override { return {}; }
    base::Result<void> probe() override { return {}; }
    void stop() override {}

    std::atomic<std::uint64_t> taken{0};
};

class NoEvents final : public mail::EventSink {
public:
    void record(const mail::Event&) override {}
};

double cpu_seconds(int who) {
    rusage usage{};
    getrusage(who, &usage);
    return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

void must(bool holds, const char* what) {
    if (holds) return;
    std::perror(what);
    std::exit(1);
}

// Reads until `lines` replies (last lines) have come.
void expect(int fd, int lines) {
    char buffer[4096];
    static thread_local std::string pending;
    while (lines > 0) {
        const auto count = read(fd, buffer, sizeof buffer);
        must(count > 0, "read");
        pending.append(buffer, static_cast<std::size_t>(count));
        for (auto lf = pending.find('\n'); lf != std::string::npos; lf = pending.find('\n')) {
            must(pending[0] == '2' || pending[0] == '3', pending.c_str());
            if (pending[3] == ' ') --lines;
            pending.erase(0, lf + 1);
        }
    }
}

void client(std::uint16_t port, int messages, std::size_t octets, std::atomic<double>& cpu) {
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    must(connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0, "connect");
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    const auto send_all = [fd](const std::string& text) {
        must(write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()), "write");
    };
    std::string body = "From: a@example.org\r\nMessage-ID: <1@example.org>\r\nSubject: bench\r\n\r\n";
    while (body.size() < octets)
        body += "A line of text as mail has them, of about seventy octets, more or less\r\n";
    body += ".\r\n";
    expect(fd, 1);
    send_all("EHLO client.example\r\n");
    expect(fd, 1);
    for (int i = 0; i < messages; ++i) {
        send_all("MAIL FROM:<a@example.org> BODY=8BITMIME\r\nRCPT TO:<b@example.net>\r\nDATA\r\n");
        expect(fd, 3);
        send_all(body);
        expect(fd, 1);
    }
    close(fd);
    cpu.fetch_add(cpu_seconds(RUSAGE_THREAD));
}

}  // namespace

int main(int argc, char** argv) {
    const int messages = argc > 1 ? std::atoi(argv[1]) : 50'000;
    const std::size_t octets = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 4096;
    const int connections = argc > 3 ? std::atoi(argv[3]) : 16;

    const auto loops = net::make_loops(1);
    ForgettingQueue queue;
    NoEvents events;
    base::Metrics metrics;
    mta::Receiver receiver(*loops, events, metrics);
    mta::Config config;
    config.hostname = "mx.example.org";
    config.listeners.push_back({.address = {*net::IpAddress::parse("127.0.0.1"), 0, {}}});
    if (const auto bound = receiver.bind(config); !bound) {
        std::fprintf(stderr, "%s\n", bound.error().log_text.c_str());
        return 1;
    }
    loops->start();
    receiver.start(queue);
    const auto port = receiver.endpoints().front().port;

    const auto began = std::chrono::steady_clock::now();
    std::atomic<double> client_cpu{0};
    {
        std::vector<std::jthread> clients;
        for (int i = 0; i < connections; ++i) {
            clients.emplace_back([&] { client(port, messages / connections, octets, client_cpu); });
        }
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    const auto taken = static_cast<double>(queue.taken.load());
    const auto server_cpu = cpu_seconds(RUSAGE_SELF) - client_cpu;
    std::printf(
        "%.0f messages of %zu octets over %d connections: %.0f/s, %.1f us of server CPU each (%.0f/s a core)\n",
        taken, octets, connections, taken / took.count(), server_cpu / taken * 1e6, taken / server_cpu);
    receiver.shut_down();
    receiver.wait_drained(std::chrono::seconds(5));
    loops->stop();
}
