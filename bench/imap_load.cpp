// A light IMAP client for bench/imap: one thread, epoll, responses counted and not understood (literals are skipped, so
// that a message of 4 KiB costs it little more than the copy out of the kernel).
//
//   imap-load --to 127.0.0.1:1143 --user U --password P [--sessions N] [--rounds N] [--seed N] WHAT
//
//   append COUNT [--window N] [--batch N] [--first I]
//                                           messages of bench/imap, N commands with N messages each under way in a
//                                           session
//   open                                    LOGIN, SELECT, LOGOUT
//   run COMMAND[|OTHER]                     that command in the selected mailbox, or the two in turn
//   bodies COUNT                            so many random bodies by one FETCH
//   singles COUNT                           the same, a FETCH each
//   logins COUNT                            LOGIN and LOGOUT
//   idle                                    all sessions wait; says "ready"; then for each line of its standard input
//                                           appends a message and waits until all have heard of it
//
// Prints one line of JSON: how long each round took, what came, and its own CPU time. Exit status 1: a server said NO.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bench/figures.hpp"
#include "bench/imap_messages.hpp"

namespace {

using posthorn::bench::Stopwatch;

struct Options {
    sockaddr_in to{};
    std::string user;
    std::string password;
    std::size_t sessions = 1;
    std::size_t rounds = 1;
    std::size_t window = 1;
    std::size_t first = 0;
    std::size_t batch = 1;
    std::size_t seed = 1;
    std::string what;
    std::string argument;
    std::size_t count() const { return std::strtoull(argument.c_str(), nullptr, 10); }
};

// One connection: what is yet to be sent, and a count of what has come.
class Connection {
public:
    Connection(const sockaddr_in& to, int epoll) : epoll_(epoll) {
        fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const int one = 1;
        setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        if (fd_ < 0 || connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0)
            throw std::runtime_error(std::string("connect: ") + std::strerror(errno));
        watch(EPOLL_CTL_ADD, EPOLLIN);
    }
    ~Connection() { close(fd_); }
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    void send(std::string_view bytes) {
        out_ += bytes;
        flush();
    }
    void on_event(std::uint32_t events, std::vector<char>& room) {
        if ((events & EPOLLOUT) != 0) flush();
        if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) receive(room);
    }

    std::size_t tagged = 0;
    std::size_t untagged = 0;
    std::size_t continued = 0;
    std::size_t octets = 0;
    std::size_t exists = 0;  // the last number of messages it was told
    bool ended = false;
    std::function<void(Connection&)> on_tagged;

private:
    void watch(int how, std::uint32_t events) {
        epoll_event event{};
        event.events = events;
        event.data.ptr = this;
        epoll_ctl(epoll_, how, fd_, &event);
    }

    void flush() {
        while (sent_ < out_.size()) {
            const auto n = ::send(fd_, out_.data() + sent_, out_.size() - sent_, MSG_NOSIGNAL | MSG_DONTWAIT);
            if (n < 0) {
                if (errno != EAGAIN) throw std::runtime_error(std::string("send: ") + std::strerror(errno));
                if (!blocked_) watch(EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
                blocked_ = true;
                return;
            }
            sent_ += static_cast<std::size_t>(n);
        }
        out_.clear();
        sent_ = 0;
        if (blocked_) watch(EPOLL_CTL_MOD, EPOLLIN);
        blocked_ = false;
    }

    void receive(std::vector<char>& room) {
        const auto n = recv(fd_, room.data(), room.size(), MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN) return;
        if (n < 0) throw std::runtime_error(std::string("recv: ") + std::strerror(errno));
        if (n == 0) {
            if (!said_bye_) throw std::runtime_error("the server closed the connection");
            ended = true;
            watch(EPOLL_CTL_DEL, 0);
            return;
        }
        octets += static_cast<std::size_t>(n);
        take({room.data(), static_cast<std::size_t>(n)});
    }

    void take(std::string_view bytes) {
        while (!bytes.empty()) {
            const auto skipped = std::min(skip_, bytes.size());
            skip_ -= skipped;
            bytes.remove_prefix(skipped);
            const auto lf = bytes.find('\n');
            if (lf == std::string_view::npos) {
                line_ += bytes;
                return;
            }
            if (line_.empty()) {
                on_line(bytes.substr(0, lf));
            } else {
                line_ += bytes.substr(0, lf);
                on_line(std::exchange(line_, {}));
            }
            bytes.remove_prefix(lf + 1);
        }
    }

    void on_line(std::string_view line) {
        if (line.ends_with('\r')) line.remove_suffix(1);
        const bool inside = std::exchange(inside_, false);  // behind a literal of the same response
        if (line.ends_with('}')) {
            const auto brace = line.rfind('{');
            if (brace != std::string_view::npos) {
                std::from_chars(line.data() + brace + 1, line.data() + line.size() - 1, skip_);
                inside_ = true;
            }
        }
        if (inside) return;
        if (line.starts_with("a ")) {
            if (!line.starts_with("a OK")) throw std::runtime_error("refused: " + std::string(line));
            ++tagged;
            if (on_tagged) on_tagged(*this);
        } else if (line.starts_with('+')) {
            ++continued;
        } else {
            ++untagged;
            if (line.ends_with(" EXISTS")) exists = std::strtoull(line.data() + 2, nullptr, 10);
            if (line.starts_with("* BYE")) said_bye_ = true;
        }
    }

    int epoll_;
    int fd_ = -1;
    std::string out_;
    std::size_t sent_ = 0;
    bool blocked_ = false;
    std::string line_;
    std::size_t skip_ = 0;
    bool inside_ = false;
    bool said_bye_ = false;
};

class Client {
public:
    explicit Client(Options options) : o(std::move(options)) {}
    ~Client() { close(epoll_); }
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    std::unique_ptr<Connection> connect() { return std::make_unique<Connection>(o.to, epoll_); }

    // Until `done`; that nothing comes for so long is an error.
    template <class Done>
    void until(Done done) {
        while (!done()) {
            const int got = epoll_wait(epoll_, events_.data(), static_cast<int>(events_.size()), 120'000);
            if (got == 0) throw std::runtime_error("two minutes of silence");
            for (int i = 0; i < got; ++i) {
                const auto& event = events_[static_cast<std::size_t>(i)];
                static_cast<Connection*>(event.data.ptr)->on_event(event.events, room_);
            }
        }
    }
    // Sends it and waits for the tagged reply.
    void ask(Connection& to, std::string_view command) {
        const auto before = to.tagged;
        to.send("a " + std::string(command) + "\r\n");
        until([&] { return to.tagged > before; });
    }
    std::string login() const { return "a LOGIN " + o.user + " " + o.password + "\r\n"; }

    // Logged in, with INBOX selected.
    std::vector<std::unique_ptr<Connection>> sessions(std::size_t count) {
        constexpr std::size_t kAtOnce = 16;  // logins under way
        std::vector<std::unique_ptr<Connection>> all;
        while (all.size() < count) {
            const auto first = all.size();
            while (all.size() < std::min(first + kAtOnce, count)) all.push_back(connect());
            const auto each = [&](auto ready) {
                until([&] {
                    return std::all_of(all.begin() + static_cast<std::ptrdiff_t>(first), all.end(), ready);
                });
            };
            each([](const auto& one) { return one->untagged > 0; });
            for (auto i = first; i < all.size(); ++i) all[i]->send(login() + "a SELECT INBOX\r\n");
            each([](const auto& one) { return one->tagged == 2; });
        }
        return all;
    }

    const Options o;

private:
    int epoll_ = epoll_create1(EPOLL_CLOEXEC);
    std::vector<epoll_event> events_ = std::vector<epoll_event>(256);
    std::vector<char> room_ = std::vector<char>(std::size_t{256} << 10U);
};

struct Report {
    std::vector<double> rounds_ms;
    double seconds = 0;
    double cpu = 0;
    std::size_t count = 0;   // of what was asked for, in all rounds
    std::size_t lines = 0;   // untagged responses
    std::size_t octets = 0;  // that came

    void print() const {
        std::printf(
            "{\"count\": %zu, \"seconds\": %.6f, \"cpu_seconds\": %.6f, \"lines\": %zu, \"octets\": %zu, "
            "\"rounds_ms\": [",
            count, seconds, cpu, lines, octets);
        for (std::size_t i = 0; i < rounds_ms.size(); ++i) std::printf("%s%.3f", i == 0 ? "" : ", ", rounds_ms[i]);
        std::printf("]}\n");
        std::fflush(stdout);
    }
};

// `round(n)` for each round, timed.
template <class Round>
Report measure(const Client& client, Round round) {
    Report report;
    const Stopwatch all;
    for (std::size_t n = 0; n < client.o.rounds; ++n) {
        const Stopwatch one;
        round(n);
        report.rounds_ms.push_back(one.us() / 1000);
    }
    report.seconds = all.seconds();
    report.cpu = all.cpu();
    return report;
}

std::string append_command(std::size_t number, std::size_t count = 1) {
    std::string out = "a APPEND INBOX";
    for (const auto end = number + count; number < end; ++number) {
        const auto message = posthorn::bench::imap_message(number);
        out += " {" + std::to_string(message.size()) + "+}\r\n" + message;
    }
    return out + "\r\n";
}

Report append(Client& client) {
    auto all = client.sessions(client.o.sessions);
    const auto count = client.o.count();
    std::size_t begun = 0;
    std::size_t done = 0;
    std::size_t commands = 0;
    const auto next = [&](Connection& one) {
        const auto many = std::min(client.o.batch, count - begun);
        if (many == 0) return;
        one.send(append_command(client.o.first + begun, many));
        begun += many;
        ++commands;
    };
    for (auto& one : all) {
        one->on_tagged = [&](Connection& it) {
            ++done;
            next(it);
        };
    }
    auto report = measure(client, [&](std::size_t) {
        for (auto& one : all) {
            for (std::size_t i = 0; i < client.o.window; ++i) next(*one);
        }
        client.until([&] { return begun == count && done == commands; });
    });
    report.count = count;
    return report;
}

Report open(Client& client) {
    std::size_t lines = 0;
    auto report = measure(client, [&](std::size_t) {
        auto all = client.sessions(1);
        client.ask(*all[0], "LOGOUT");
        lines += all[0]->untagged;
    });
    report.count = client.o.rounds;
    report.lines = lines;
    return report;
}

std::string random_set(std::size_t count, std::size_t exists, std::size_t seed) {
    std::vector<std::size_t> numbers(exists);
    for (std::size_t i = 0; i < exists; ++i) numbers[i] = i + 1;
    std::mt19937 random(static_cast<unsigned>(seed));
    std::shuffle(numbers.begin(), numbers.end(), random);
    numbers.resize(std::min(count, exists));
    std::string set;
    for (const auto number : numbers) set += (set.empty() ? "" : ",") + std::to_string(number);
    return set;
}

// Each session's next command is asked when all have the last one.
Report run(Client& client, const std::function<std::string(Connection&, std::size_t)>& command, std::size_t each) {
    auto all = client.sessions(client.o.sessions);
    std::size_t lines = 0;
    std::size_t octets = 0;
    for (const auto& one : all) {
        lines += one->untagged;
        octets += one->octets;
    }
    std::vector<std::vector<std::string>> script(client.o.rounds);
    for (std::size_t n = 0; n < client.o.rounds; ++n) {
        for (std::size_t i = 0; i < all.size(); ++i)
            script[n].push_back("a " + command(*all[i], client.o.seed + n * all.size() + i) + "\r\n");
    }
    auto report = measure(client, [&](std::size_t n) {
        for (std::size_t i = 0; i < all.size(); ++i) all[i]->send(script[n][i]);
        client.until(
            [&] { return std::all_of(all.begin(), all.end(), [&](auto& c) { return c->tagged == n + 3; }); });
    });
    report.count = each * client.o.rounds * all.size();
    for (const auto& one : all) {
        report.lines += one->untagged;
        report.octets += one->octets;
    }
    report.lines -= lines;
    report.octets -= octets;
    return report;
}

Report singles(Client& client) {
    auto all = client.sessions(1);
    auto& one = *all[0];
    std::vector<std::string> commands;
    std::mt19937 random(static_cast<unsigned>(client.o.seed));
    for (std::size_t i = 0; i < client.o.count(); ++i)
        commands.push_back("FETCH " + std::to_string(1 + random() % one.exists) + " BODY.PEEK[]");
    auto report = measure(client, [&](std::size_t) {
        for (const auto& command : commands) client.ask(one, command);
    });
    report.count = client.o.count() * client.o.rounds;
    return report;
}

Report logins(Client& client) {
    const auto count = client.o.count();
    std::size_t begun = 0;
    std::size_t done = 0;
    std::vector<std::unique_ptr<Connection>> all(client.o.sessions);
    std::vector<int> steps(all.size());
    auto report = measure(client, [&](std::size_t) {
        while (done < count) {
            for (std::size_t i = 0; i < all.size(); ++i) {
                if (!all[i] && begun < count) {
                    ++begun;
                    all[i] = client.connect();
                    steps[i] = 0;
                }
                if (!all[i]) continue;
                if (steps[i] == 0 && all[i]->untagged > 0) {
                    steps[i] = 1;
                    all[i]->send(client.login());
                } else if (steps[i] == 1 && all[i]->tagged == 1) {
                    steps[i] = 2;
                    all[i]->send("a LOGOUT\r\n");
                } else if (steps[i] == 2 && all[i]->tagged == 2) {
                    all[i].reset();
                    ++done;
                    --i;  // its place is free
                }
            }
            bool once = false;
            if (done < count) client.until([&] { return std::exchange(once, true); });
        }
    });
    report.count = count;
    return report;
}

Report idle(Client& client) {
    auto all = client.sessions(client.o.sessions);
    auto writer = client.sessions(1);
    for (auto& one : all) one->send("a IDLE\r\n");
    client.until([&] { return std::all_of(all.begin(), all.end(), [](auto& c) { return c->continued == 1; }); });
    std::printf("ready\n");
    std::fflush(stdout);
    Report report;
    char line[80];
    while (std::fgets(line, sizeof line, stdin) != nullptr) {
        const auto number = client.o.first + report.count++;
        const auto expected = all.front()->exists + 1;
        const Stopwatch one;
        writer.front()->send(append_command(number));
        client.until(
            [&] { return std::all_of(all.begin(), all.end(), [&](auto& c) { return c->exists >= expected; }); });
        report.seconds += one.seconds();
        report.cpu += one.cpu();
        report.rounds_ms.push_back(one.us() / 1000);
        std::printf("heard\n");
        std::fflush(stdout);
    }
    return report;
}

[[noreturn]] void usage(const char* why) {
    std::fprintf(
        stderr,
        "imap-load: %s\nusage: imap-load --to IP:PORT --user U --password P [--sessions N] [--rounds N]\n"
        "       [--window N] [--batch N] [--first N] [--seed N]\n"
        "       append COUNT | open | run COMMAND[|OTHER] | bodies COUNT | singles COUNT | logins COUNT | idle\n",
        why);
    std::exit(2);
}

Options parse(int argc, char** argv) {
    Options o;
    o.to.sin_family = AF_INET;
    for (int i = 1; i < argc; ++i) {
        const std::string_view name = argv[i];
        if (!name.starts_with("--")) {
            (o.what.empty() ? o.what : o.argument) = name;
            continue;
        }
        if (i + 1 >= argc) usage("an option lacks its value");
        const std::string value = argv[++i];
        const auto number = static_cast<std::size_t>(std::strtoull(value.c_str(), nullptr, 10));
        if (name == "--to") {
            const auto colon = value.rfind(':');
            if (colon == std::string::npos) usage("--to wants IP:PORT");
            inet_pton(AF_INET, value.substr(0, colon).c_str(), &o.to.sin_addr);
            o.to.sin_port = htons(static_cast<std::uint16_t>(std::atoi(value.c_str() + colon + 1)));
        } else if (name == "--user")
            o.user = value;
        else if (name == "--password")
            o.password = value;
        else if (name == "--sessions")
            o.sessions = number;
        else if (name == "--rounds")
            o.rounds = number;
        else if (name == "--window")
            o.window = number;
        else if (name == "--first")
            o.first = number;
        else if (name == "--batch")
            o.batch = number;
        else if (name == "--seed")
            o.seed = number;
        else
            usage("unknown option");
    }
    return o;
}

Report perform(Client& client) {
    const auto& o = client.o;
    if (o.what == "append") return append(client);
    if (o.what == "open") return open(client);
    if (o.what == "run") {
        const auto bar = o.argument.find('|');
        const auto one = o.argument.substr(0, bar);
        const auto other = bar == std::string::npos ? one : o.argument.substr(bar + 1);
        std::size_t n = 0;
        return run(client, [&](Connection&, std::size_t) { return n++ % 2 == 0 ? one : other; }, 1);
    }
    if (o.what == "bodies") {
        const auto command = [&](Connection& one, std::size_t seed) {
            return "FETCH " + random_set(o.count(), one.exists, seed) + " BODY.PEEK[]";
        };
        return run(client, command, o.count());
    }
    if (o.what == "singles") return singles(client);
    if (o.what == "logins") return logins(client);
    if (o.what == "idle") return idle(client);
    usage("do what?");
}

}  // namespace

int main(int argc, char** argv) {
    rlimit files{};
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    try {
        Client client(parse(argc, argv));
        perform(client).print();
        return 0;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "imap-load: %s\n", error.what());
        return 1;
    }
}
