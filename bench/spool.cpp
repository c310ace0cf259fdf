// What the spool makes durable in a second, beside a file per message; and how long it takes to start.
//
//   bench-spool [--dir DIR]... [--seconds S] [--start MESSAGES]
//
// DIR: on the disk to be measured; the current folder if none is given. Each line is one measurement: messages a
// second, and the latency of one commit (median, 99th percentile).
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/metrics.hpp"
#include "base/random.hpp"
#include "net/loop.hpp"
#include "net/pool.hpp"
#include "spool/spool.hpp"

using namespace posthorn;
using Clock = std::chrono::steady_clock;

namespace {

struct Figures {
    double seconds = 0;
    std::vector<double> latencies;  // us
};

void print(const char* what, std::size_t size, std::size_t sessions, Figures figures) {
    std::ranges::sort(figures.latencies);
    const auto n = figures.latencies.size();
    const auto at = [&](double part) {
        return n == 0 ? 0.0 : figures.latencies[static_cast<std::size_t>(part * (n - 1))];
    };
    std::printf("%-28s %8zu B %4zu sessions %9.0f /s  median %7.0f us  p99 %8.0f us\n", what, size, sessions,
                static_cast<double>(n) / figures.seconds, at(0.5), at(0.99));
    std::fflush(stdout);
}

// ---- the spool ----------------------------------------------------------------------------------------------

// Delivers at once: each message is done when it is durable.
class DoneOwner final : public spool::QueueOwner {
public:
    DoneOwner(spool::Queue& queue, bool done) : queue_(queue), done_(done) {}
    void on_message(spool::QueuedMessage message) override {
        ++told;
        if (!done_) return;
        spool::StateChange change;
        change.id = message.id;
        change.done = true;
        queue_.record(std::move(change), [](const base::Result<void>&) {});
    }
    std::atomic<std::uint64_t> told{0};

private:
    spool::Queue& queue_;
    bool done_;
};

struct Shared {
    spool::Queue& queue;
    std::string body;
    std::atomic<bool> stop{false};
    std::atomic<std::int64_t> left{INT64_MAX};  // messages to be made
    std::atomic<std::uint64_t> failed{0};
    std::mutex mutex;
    std::condition_variable ended;
    std::size_t running = 0;
    Figures figures;
};

net::Task<> session(net::Loop& loop, Shared& shared, std::uint64_t seed) {
    const auto random = base::system_random();
    base::SystemClock clock;
    base::SeededRandom mixed(random->next() ^ seed);
    std::vector<double> latencies;
    for (;;) {
        if (shared.stop) break;
        if (shared.left.fetch_sub(1) <= 0) break;
        mail::Envelope envelope;
        for (auto& octet : envelope.id.bytes) octet = static_cast<std::uint8_t>(mixed.next());
        envelope.reverse_path = {"sender", "example.org"};
        envelope.arrival = clock.wall();
        envelope.client = {"192.0.2.1", 40000, "client.example.org", true, "TLSv1.3", "TLS_AES_256_GCM_SHA384", ""};
        envelope.listener = "smtp [::]:25";
        envelope.trace_headers = std::string(200, 'R') + "\r\n";
        mail::Recipient recipient;
        recipient.address = {"someone", "example.com"};
        envelope.recipients.push_back(recipient);
        auto intake = shared.queue.begin(loop, shared.body.size());
        if (!intake) {
            ++shared.failed;
            break;
        }
        bool good = true;
        for (std::size_t at = 0; good && at < shared.body.size(); at += 16384) {
            if (!(*intake)->append(std::string_view(shared.body).substr(at, 16384))) continue;
            base::Result<void> flushed = co_await (*intake)->flush();
            good = flushed.has_value();
        }
        const auto start = Clock::now();
        base::Result<void> done = co_await shared.queue.commit(loop, std::move(envelope), std::move(*intake));
        if (!done || !good) {
            ++shared.failed;
            break;
        }
        latencies.push_back(std::chrono::duration<double, std::micro>(Clock::now() - start).count());
    }
    const std::lock_guard lock(shared.mutex);
    shared.figures.latencies.insert(shared.figures.latencies.end(), latencies.begin(), latencies.end());
    --shared.running;
    shared.ended.notify_all();
}

struct Service {
    explicit Service(const std::string& dir) : loops(net::make_loops(2)), pool(net::make_pool("disk", 8, 4096)) {
        spool::Config config;
        config.directory = dir;
        config.reserve = 0;
        config.memory_budget = 256 << 20;
        config.ephemeral = true;  // measured is what it is told to
        config.incoming = false;
        auto opened = spool::open_queue(config, *loops, *pool, clock, metrics);
        if (!opened) {
            std::fprintf(stderr, "%s\n", opened.error().log_text.c_str());
            std::exit(1);
        }
        queue = std::move(*opened);
    }
    void attach(bool done) {
        std::vector<spool::QueueOwner*> list;
        for (std::size_t i = 0; i < loops->size(); ++i) {
            owners.push_back(std::make_unique<DoneOwner>(*queue, done));
            list.push_back(owners.back().get());
        }
        queue->attach(list);
        loops->start();
    }
    std::uint64_t told() const {
        std::uint64_t sum = 0;
        for (const auto& owner : owners) sum += owner->told;
        return sum;
    }
    ~Service() {
        queue->stop();
        loops->stop();
        queue.reset();
    }

    base::SystemClock clock;
    base::Metrics metrics;
    std::unique_ptr<net::LoopGroup> loops;
    std::unique_ptr<net::Pool> pool;
    std::unique_ptr<spool::Queue> queue;
    std::vector<std::unique_ptr<DoneOwner>> owners;
};

Figures run_sessions(Service& service, std::size_t size, std::size_t sessions, double seconds, std::int64_t count) {
    Shared shared{*service.queue, std::string(size, 'x')};
    shared.running = sessions;
    shared.left = count;
    const auto start = Clock::now();
    for (std::size_t i = 0; i < sessions; ++i) {
        auto& loop = service.loops->at(i % service.loops->size());
        net::spawn(loop, "session", session(loop, shared, i));
    }
    std::unique_lock lock(shared.mutex);
    const auto over = [&] { return shared.running == 0; };
    if (!shared.ended.wait_for(lock, std::chrono::duration<double>(seconds), over)) {
        shared.stop = true;
        shared.ended.wait(lock, over);
    }
    shared.figures.seconds = std::chrono::duration<double>(Clock::now() - start).count();
    if (shared.failed > 0)
        std::printf("%llu sessions failed\n", static_cast<unsigned long long>(shared.failed.load()));
    return std::move(shared.figures);
}

void bench_spool(const std::string& dir, double seconds) {
    for (const std::size_t size : {std::size_t{4096}, std::size_t{1} << 20}) {
        for (const std::size_t sessions : {std::size_t{1}, std::size_t{10}, std::size_t{64}}) {
            std::filesystem::remove_all(dir + "/log-bench");
            Service service(dir + "/log-bench");
            service.attach(true);
            run_sessions(service, size, std::min<std::size_t>(sessions, 8), 0.3, INT64_MAX);  // warm
            print("spool", size, sessions, run_sessions(service, size, sessions, seconds, INT64_MAX));
        }
    }
    std::filesystem::remove_all(dir + "/log-bench");
}

// ---- a file per message -------------------------------------------------------------------------------------

bool write_file(const std::string& dir, std::size_t number, const std::string& bytes, int dir_fd) {
    const auto temp = dir + "/t" + std::to_string(number);
    const auto name = dir + "/m" + std::to_string(number);
    const int fd = ::open(temp.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) return false;
    bool good = ::write(fd, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()) && ::fsync(fd) == 0;
    ::close(fd);
    good = good && ::rename(temp.c_str(), name.c_str()) == 0 && ::fsync(dir_fd) == 0;
    ::unlink(name.c_str());  // delivered at once, as above
    return good;
}

void bench_files(const std::string& dir, double seconds) {
    const auto path = dir + "/file-bench";
    for (const std::size_t size : {std::size_t{4096}, std::size_t{1} << 20}) {
        for (const std::size_t sessions : {std::size_t{1}, std::size_t{10}, std::size_t{64}}) {
            std::filesystem::remove_all(path);
            std::filesystem::create_directories(path);
            const int dir_fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
            const std::string bytes(size + 700, 'x');
            std::atomic<bool> stop{false};
            std::atomic<std::size_t> number{0};
            std::mutex mutex;
            Figures figures;
            std::vector<std::thread> threads;
            const auto start = Clock::now();
            for (std::size_t i = 0; i < sessions; ++i) {
                threads.emplace_back([&] {
                    std::vector<double> latencies;
                    while (!stop) {
                        const auto begin = Clock::now();
                        if (!write_file(path, number++, bytes, dir_fd)) break;
                        latencies.push_back(
                            std::chrono::duration<double, std::micro>(Clock::now() - begin).count());
                    }
                    const std::lock_guard lock(mutex);
                    figures.latencies.insert(figures.latencies.end(), latencies.begin(), latencies.end());
                });
            }
            std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
            stop = true;
            for (auto& thread : threads) thread.join();
            figures.seconds = std::chrono::duration<double>(Clock::now() - start).count();
            ::close(dir_fd);
            print("file, fsync, rename, dir", size, sessions, std::move(figures));
        }
    }
    std::filesystem::remove_all(path);
}

// ---- start --------------------------------------------------------------------------------------------------

std::size_t resident_bytes() {
    std::FILE* file = std::fopen("/proc/self/statm", "r");
    unsigned long size = 0;
    unsigned long resident = 0;
    const int got = file == nullptr ? 0 : std::fscanf(file, "%lu %lu", &size, &resident);  // NOLINT(cert-err34-c)
    if (file != nullptr) std::fclose(file);
    return got == 2 ? resident * 4096UL : 0;
}

void time_start(const std::string& dir, const char* after, std::uint64_t messages) {
    const auto before = resident_bytes();
    const auto start = Clock::now();
    Service service(dir);
    const auto open = std::chrono::duration<double>(Clock::now() - start).count();
    const auto memory = static_cast<double>(resident_bytes() - before) / static_cast<double>(messages);
    service.attach(false);
    while (service.told() < messages) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    const auto told = std::chrono::duration<double>(Clock::now() - start).count();
    std::printf("start after %-6s %9llu messages: open %.3f s, all told %.3f s, %.0f B of memory a message\n",
                after, static_cast<unsigned long long>(messages), open, told, memory);
    std::fflush(stdout);
}

// In a child each, so that a kill can be one and memory is counted from nothing.
template <class F>
void in_child(F fn) {
    const pid_t child = ::fork();
    if (child == 0) {
        fn();
        std::fflush(stdout);
        ::_exit(0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
}

void bench_start(const std::string& dir, std::uint64_t messages) {
    const auto path = dir + "/start-bench";
    std::filesystem::remove_all(path);
    in_child([&] {
        Service service(path);
        service.attach(false);
        run_sessions(service, 4096, 64, 3600, static_cast<std::int64_t>(messages));
        ::_exit(0);  // a kill: nothing is closed
    });
    in_child([&] { time_start(path, "kill", messages); });
    in_child([&] { time_start(path, "stop", messages); });
    std::filesystem::remove_all(path);
}

}  // namespace

int main(int argc, char** argv) {
    std::vector<std::string> dirs;
    double seconds = 2;
    std::uint64_t start = 100'000;
    for (int i = 1; i + 1 < argc; i += 2) {
        const std::string_view option = argv[i];
        if (option == "--dir")
            dirs.emplace_back(argv[i + 1]);
        else if (option == "--seconds")
            seconds = std::strtod(argv[i + 1], nullptr);
        else if (option == "--start")
            start = std::strtoull(argv[i + 1], nullptr, 10);
        else
            return std::fprintf(stderr, "usage: bench-spool [--dir DIR]... [--seconds S] [--start MESSAGES]\n"), 2;
    }
    if (dirs.empty()) dirs.push_back(std::filesystem::current_path());
    for (const auto& dir : dirs) {
        std::printf("# %s\n", dir.c_str());
        bench_spool(dir, seconds);
        bench_files(dir, seconds);
        if (start > 0) bench_start(dir, start);
    }
}
