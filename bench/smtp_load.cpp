// A light SMTP load generator: one thread, epoll, every command of a transaction in one segment where the server
// allows it, DATA or BDAT. It exists because smtp-source costs as much CPU as the servers it measures; bench/relay
// checks the two against each other at rates both can make.
//
//   smtp-load --to 127.0.0.1:2525 --sessions 50 --messages 20000 --size 4096 --mode data|bdat [--reconnect]
//             [--recipients N] [--sender A] [--recipient A] [--lockstep] [--lmtp] [--json]
//
// Exit status 0 when every message got its 250, 1 otherwise.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

struct Options {
    std::string host = "127.0.0.1";
    std::uint16_t port = 2525;
    std::size_t sessions = 10;
    std::size_t messages = 1000;
    std::size_t size = 4096;
    std::size_t recipients = 1;
    std::string sender = "load@example.org";
    std::string recipient = "sink@example.net";  // the nth of several gets "nth+" before it
    bool bdat = false;
    bool reconnect = false;  // a connection for each message
    bool lockstep = false;   // no pipelining: one command at a time, as old clients do
    bool lmtp = false;       // LHLO instead of EHLO; one recipient, one reply
    bool json = false;
};

[[noreturn]] void usage(const char* why) {
    std::fprintf(
        stderr,
        "smtp-load: %s\nusage: smtp-load --to IP:PORT [--sessions N] [--messages N] [--size BYTES]\n"
        "       [--mode data|bdat] [--recipients N] [--sender A] [--recipient A] [--reconnect] [--lockstep]\n"
        "       [--lmtp] [--json]\n",
        why);
    std::exit(2);
}

Options parse(int argc, char** argv) {
    Options o;
    for (int i = 1; i < argc; ++i) {
        const std::string_view name = argv[i];
        const auto value = [&]() -> std::string {
            if (i + 1 >= argc) usage("an option lacks its value");
            return argv[++i];
        };
        const auto number = [&] { return static_cast<std::size_t>(std::strtoull(value().c_str(), nullptr, 10)); };
        if (name == "--to") {
            const std::string to = value();
            const auto colon = to.rfind(':');
            if (colon == std::string::npos) usage("--to wants IP:PORT");
            o.host = to.substr(0, colon);
            o.port = static_cast<std::uint16_t>(std::atoi(to.c_str() + colon + 1));
        } else if (name == "--sessions")
            o.sessions = number();
        else if (name == "--messages")
            o.messages = number();
        else if (name == "--size")
            o.size = number();
        else if (name == "--recipients")
            o.recipients = number();
        else if (name == "--sender")
            o.sender = value();
        else if (name == "--recipient")
            o.recipient = value();
        else if (name == "--mode")
            o.bdat = value() == "bdat";
        else if (name == "--reconnect")
            o.reconnect = true;
        else if (name == "--lockstep")
            o.lockstep = true;
        else if (name == "--lmtp")
            o.lmtp = true;
        else if (name == "--json")
            o.json = true;
        else
            usage("unknown option");
    }
    if (o.lmtp && o.recipients != 1) usage("--lmtp knows one recipient");
    if (o.sessions == 0 || o.recipients == 0) usage("--sessions and --recipients start at 1");
    return o;
}

// What is sent is a list of steps: bytes, then the replies awaited before the next step.
struct Step {
    std::string bytes;
    std::vector<int> replies;  // the first digit expected of each
    bool ends_message = false;
};

class Script {
public:
    explicit Script(const Options& o) : body_(make_body(o.size)) {
        greeting_ = {{"", {2}, false},
                     {o.lmtp ? "LHLO load.example.org\r\n" : "EHLO load.example.org\r\n", {2}, false}};
        quit_ = {{"QUIT\r\n", {2}, false}};
        std::vector<Step> single;
        single.push_back({"MAIL FROM:<" + o.sender + "> BODY=8BITMIME\r\n", {2}, false});
        for (std::size_t i = 0; i < o.recipients; ++i) {
            const std::string to = i == 0 ? o.recipient : std::to_string(i) + "+" + o.recipient;
            single.push_back({"RCPT TO:<" + to + ">\r\n", {2}, false});
        }
        if (o.bdat) {
            single.push_back({"BDAT " + std::to_string(body_.size()) + " LAST\r\n" + body_, {2}, true});
        } else {
            single.push_back({"DATA\r\n", {3}, false});
            single.push_back({body_ + ".\r\n", {2}, true});
        }
        transaction_ = o.lockstep ? single : merge(single);
    }

    const std::vector<Step>& greeting() const { return greeting_; }
    const std::vector<Step>& transaction() const { return transaction_; }
    const std::vector<Step>& quit() const { return quit_; }

private:
    static std::string make_body(std::size_t size) {
        std::string body =
            "From: <load@example.org>\r\nTo: <sink@example.net>\r\nSubject: load\r\n"
            "Message-ID: <load@example.org>\r\nDate: Sat, 21 Nov 2026 12:00:00 +0000\r\n\r\n";
        while (body.size() + 2 < size) {
            const std::size_t line = std::min<std::size_t>(76, size - body.size() - 2);
            body.append(line, 'x');
            body += "\r\n";
        }
        return body;
    }

    // RFC 2920 §3.1: MAIL, RCPT and the DATA or BDAT that follows may share a segment.
    static std::vector<Step> merge(const std::vector<Step>& single) {
        std::vector<Step> out;
        for (const auto& step : single) {
            const bool after_data = !out.empty() && out.back().replies.back() == 3;
            if (out.empty() || after_data) {
                out.push_back(step);
                continue;
            }
            out.back().bytes += step.bytes;
            out.back().replies.insert(out.back().replies.end(), step.replies.begin(), step.replies.end());
            out.back().ends_message = step.ends_message;
        }
        return out;
    }

    std::string body_;
    std::vector<Step> greeting_;
    std::vector<Step> transaction_;
    std::vector<Step> quit_;
};

struct Totals {
    std::size_t begun = 0;
    std::size_t accepted = 0;
    std::size_t refused = 0;
    std::size_t broken = 0;  // connections lost
    std::string first_trouble;
    std::vector<float> latencies_ms;  // the step that ends the message begun, to 250 seen
};

class Session {
public:
    Session(const Options& o, const Script& s, Totals& t, int epoll)
        : options_(o), script_(s), totals_(t), epoll_(epoll) {}
    ~Session() { hang_up(); }
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    bool idle() const { return fd_ < 0; }

    void open() {
        const bool v6 = options_.host.find(':') != std::string::npos;
        fd_ = socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd_ < 0) return trouble("socket");
        const int one = 1;
        setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        int rc = 0;
        if (v6) {
            sockaddr_in6 to{};
            to.sin6_family = AF_INET6;
            to.sin6_port = htons(options_.port);
            inet_pton(AF_INET6, options_.host.c_str(), &to.sin6_addr);
            rc = connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof to);
        } else {
            sockaddr_in to{};
            to.sin_family = AF_INET;
            to.sin_port = htons(options_.port);
            inet_pton(AF_INET, options_.host.c_str(), &to.sin_addr);
            rc = connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof to);
        }
        if (rc != 0 && errno != EINPROGRESS) return trouble("connect");
        epoll_event event{};
        event.events = EPOLLIN | EPOLLOUT | EPOLLET;
        event.data.ptr = this;
        epoll_ctl(epoll_, EPOLL_CTL_ADD, fd_, &event);
        steps_ = &script_.greeting();
        begin_step(0);
    }

    void on_event(std::uint32_t events) {
        if ((events & EPOLLOUT) != 0) flush();
        if (fd_ >= 0 && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) read();
    }

private:
    void begin_step(std::size_t index) {
        step_ = index;
        reply_ = 0;
        out_ = (*steps_)[index].bytes;
        if ((*steps_)[index].ends_message) sent_ = Clock::now();
        flush();
    }

    void flush() {
        while (fd_ >= 0 && !out_.empty()) {
            const ssize_t sent = send(fd_, out_.data(), out_.size(), MSG_NOSIGNAL);
            if (sent < 0) {
                if (errno == EAGAIN || errno == ENOTCONN || errno == EINPROGRESS) return;
                return trouble("send");
            }
            out_.remove_prefix(static_cast<std::size_t>(sent));
        }
    }

    void read() {
        char buffer[16384];
        const auto epoch = epoch_;  // a line may end this connection and begin another
        while (epoch == epoch_) {
            const ssize_t got = recv(fd_, buffer, sizeof buffer, 0);
            if (got < 0) {
                if (errno == EAGAIN) return;
                return trouble("recv");
            }
            if (got == 0) return trouble("connection closed by the server");
            in_.append(buffer, static_cast<std::size_t>(got));
            std::size_t at = 0;
            for (std::size_t end = 0; epoch == epoch_ && (end = in_.find('\n', at)) != std::string::npos;
                 at = end + 1)
                on_line(std::string_view(in_).substr(at, end - at));
            if (epoch == epoch_) in_.erase(0, at);
        }
    }

    void on_line(std::string_view line) {
        if (line.size() > 3 && line[3] == '-') return;  // more of this reply follows
        const Step& step = (*steps_)[step_];
        if (line.empty() || line[0] - '0' != step.replies[reply_]) {
            if (totals_.first_trouble.empty()) totals_.first_trouble = std::string(line);
            ++totals_.refused;
            return next_after_failure();
        }
        if (++reply_ < step.replies.size()) return;
        if (step.ends_message) {
            ++totals_.accepted;
            totals_.latencies_ms.push_back(std::chrono::duration<float, std::milli>(Clock::now() - sent_).count());
        }
        if (step_ + 1 < steps_->size()) return begin_step(step_ + 1);
        next();
    }

    void next() {
        if (steps_ == &script_.quit()) {
            hang_up();
            if (totals_.begun < options_.messages) open();
            return;
        }
        const bool again = steps_ == &script_.greeting() || !options_.reconnect;
        if (again && totals_.begun < options_.messages) {
            ++totals_.begun;
            steps_ = &script_.transaction();
        } else {
            steps_ = &script_.quit();
        }
        begin_step(0);
    }

    // The state of a refused pipeline is not worth following: a new connection starts clean.
    void next_after_failure() {
        hang_up();
        if (totals_.begun < options_.messages && totals_.refused + totals_.broken < 1000) open();
    }

    void trouble(const char* what) {
        if (totals_.first_trouble.empty()) totals_.first_trouble = std::string(what) + ": " + std::strerror(errno);
        ++totals_.broken;
        next_after_failure();
    }

    void hang_up() {
        if (fd_ >= 0) close(fd_);
        fd_ = -1;
        ++epoch_;
        in_.clear();
        out_ = {};
    }

    const Options& options_;
    const Script& script_;
    Totals& totals_;
    int epoll_;
    int fd_ = -1;
    unsigned epoch_ = 0;  // of the connection
    const std::vector<Step>* steps_ = nullptr;
    std::size_t step_ = 0;
    std::size_t reply_ = 0;
    std::string_view out_;
    std::string in_;
    Clock::time_point sent_;
};

double cpu_seconds() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    const auto seconds = [](const timeval& t) {
        return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
    };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

float percentile(std::vector<float>& sorted, double p) {
    if (sorted.empty()) return 0;
    return sorted[std::min(sorted.size() - 1, static_cast<std::size_t>(p * static_cast<double>(sorted.size())))];
}

void report(const Options& o, Totals& t, double seconds) {
    std::sort(t.latencies_ms.begin(), t.latencies_ms.end());
    const double rate = static_cast<double>(t.accepted) / seconds;
    const float p50 = percentile(t.latencies_ms, 0.5);
    const float p99 = percentile(t.latencies_ms, 0.99);
    if (o.json) {
        std::printf(
            "{\"accepted\":%zu,\"refused\":%zu,\"broken\":%zu,\"seconds\":%.3f,\"per_second\":%.1f,"
            "\"cpu_seconds\":%.3f,\"p50_ms\":%.3f,\"p99_ms\":%.3f}\n",
            t.accepted, t.refused, t.broken, seconds, rate, cpu_seconds(), static_cast<double>(p50),
            static_cast<double>(p99));
    } else {
        std::printf(
            "%zu accepted, %zu refused, %zu connections lost in %.2f s: %.0f messages/s, "
            "p50 %.2f ms, p99 %.2f ms, own CPU %.2f s\n",
            t.accepted, t.refused, t.broken, seconds, rate, static_cast<double>(p50), static_cast<double>(p99),
            cpu_seconds());
    }
    if (!t.first_trouble.empty()) std::fprintf(stderr, "smtp-load: first trouble: %s\n", t.first_trouble.c_str());
}

}  // namespace

int main(int argc, char** argv) {
    const Options options = parse(argc, argv);
    const Script script(options);
    Totals totals;
    totals.latencies_ms.reserve(options.messages);
    const int epoll = epoll_create1(EPOLL_CLOEXEC);
    std::deque<Session> sessions;
    const auto start = Clock::now();
    for (std::size_t i = 0; i < options.sessions; ++i) sessions.emplace_back(options, script, totals, epoll).open();
    std::vector<epoll_event> events(256);
    while (!std::all_of(sessions.begin(), sessions.end(), [](const Session& s) { return s.idle(); })) {
        const int got = epoll_wait(epoll, events.data(), static_cast<int>(events.size()), 60'000);
        if (got == 0) {
            std::fprintf(stderr, "smtp-load: a minute of silence, giving up\n");
            break;
        }
        for (int i = 0; i < got; ++i) {
            const auto& event = events[static_cast<std::size_t>(i)];
            static_cast<Session*>(event.data.ptr)->on_event(event.events);
        }
    }
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    report(options, totals, seconds);
    close(epoll);
    return totals.accepted == options.messages ? 0 : 1;
}
