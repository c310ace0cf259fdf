// What the spool makes durable in a second, beside a file per message and beside the bare log; and how long it takes
// to start. The script bench/spool calls it for each disk and makes tables of it; it prints a line of JSON each.
//
//   bench-spool [--dir DIR] [--seconds S] [--start MESSAGES] [--only rounds|spool|files|start]
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <mutex>
#include <thread>

#include "base/log.hpp"
#include "base/metrics.hpp"
#include "base/random.hpp"
#include "bench/figures.hpp"
#include "bench/spool_files.hpp"
#include "bench/uring_disk.hpp"
#include "net/loop.hpp"
#include "net/pool.hpp"
#include "spool/impl/log_queue.hpp"

using namespace posthorn;
using bench::Figures;
using bench::Stopwatch;

namespace {

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
        const Stopwatch one;
        base::Result<void> done = co_await shared.queue.commit(loop, std::move(envelope), std::move(*intake));
        if (!done || !good) {
            ++shared.failed;
            break;
        }
        latencies.push_back(one.us());
    }
    const std::lock_guard lock(shared.mutex);
    shared.figures.latencies.insert(shared.figures.latencies.end(), latencies.begin(), latencies.end());
    --shared.running;
    shared.ended.notify_all();
}

struct Service {
    Service(const std::string& dir, std::shared_ptr<base::Disk> disk)
        : loops(net::make_loops(2)), pool(net::make_pool("disk", 8, 4096)) {
        spool::Config config;
        config.directory = dir;
        config.reserve = 0;
        config.memory_budget = 256 << 20;
        config.incoming = false;
        for (const char* folder : {"/log", "/big", "/corrupt", "/incoming"})
            std::filesystem::create_directories(dir + folder);
        auto opened = spool::LogQueue::open(
            config, {*loops, *pool, clock, metrics, std::move(disk), base::system_random(), nullptr, nullptr});
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
    const Stopwatch watch;
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
    shared.figures.seconds = watch.seconds();
    shared.figures.cpu = watch.cpu();
    if (shared.failed > 0)
        std::fprintf(stderr, "%llu sessions failed\n", static_cast<unsigned long long>(shared.failed.load()));
    return std::move(shared.figures);
}

void bench_spool(const std::string& name, const std::shared_ptr<base::Disk>& disk, const std::string& dir,
                 double seconds) {
    const auto path = dir + "/log-bench";
    for (const std::size_t size : {std::size_t{4096}, std::size_t{1} << 20}) {
        for (const std::size_t sessions : {std::size_t{1}, std::size_t{10}, std::size_t{64}}) {
            std::filesystem::remove_all(path);
            Service service(path, disk);
            service.attach(true);
            // Until segments are recycled and no longer made.
            run_sessions(service, size, 64, size > 4096 ? 0.3 : 1.5, INT64_MAX);
            print(name, size, sessions, run_sessions(service, size, sessions, seconds, INT64_MAX));
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

// As after a boot: nothing in the page cache. Only root may.
bool forget_pages() {
    ::sync();
    const int fd = ::open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);
    const bool good = fd >= 0 && ::write(fd, "3", 1) == 1;
    if (fd >= 0) ::close(fd);
    return good;
}

void time_start(const std::string& dir, const char* after, bool cold, std::uint64_t messages) {
    if (cold && !forget_pages()) return;
    const auto before = resident_bytes();
    const Stopwatch watch;
    Service service(dir, base::posix_disk());
    const auto open = watch.seconds();
    const auto memory = static_cast<double>(resident_bytes() - before) / static_cast<double>(messages);
    service.attach(false);
    while (service.told() < messages) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    std::printf(
        "{\"what\": \"start\", \"after\": \"%s\", \"cold\": %s, \"messages\": %llu, \"open_s\": %.3f, "
        "\"told_s\": %.3f, \"bytes_each\": %.0f}\n",
        after, cold ? "true" : "false", static_cast<unsigned long long>(messages), open, watch.seconds(), memory);
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
    for (const bool cold : {false, true}) {
        std::filesystem::remove_all(path);
        in_child([&] {
            Service service(path, base::posix_disk());
            service.attach(false);
            run_sessions(service, 4096, 64, 3600, static_cast<std::int64_t>(messages));
            ::_exit(0);  // a kill: nothing is closed
        });
        in_child([&] { time_start(path, "kill", cold, messages); });
        in_child([&] { time_start(path, "stop", cold, messages); });
    }
    std::filesystem::remove_all(path);
}

int usage() {
    std::fputs(
        "usage: bench-spool [--dir DIR] [--seconds S] [--start MESSAGES] [--only rounds|spool|files|start]\n",
        stderr);
    return 2;
}

}  // namespace

int main(int argc, char** argv) {
    std::string dir = std::filesystem::current_path();
    std::string only;
    double seconds = 2;
    std::uint64_t start = 100'000;
    for (int i = 1; i < argc; i += 2) {
        const std::string_view option = argv[i];
        if (i + 1 == argc) return usage();
        if (option == "--dir")
            dir = argv[i + 1];
        else if (option == "--seconds")
            seconds = std::strtod(argv[i + 1], nullptr);
        else if (option == "--start")
            start = std::strtoull(argv[i + 1], nullptr, 10);
        else if (option == "--only")
            only = argv[i + 1];
        else
            return usage();
    }
    base::log::configure({.level = base::log::Level::warning});
    const auto wanted = [&](std::string_view part) { return only.empty() || only == part; };
    const std::shared_ptr<base::Disk> plain = base::posix_disk();
    const auto uring = bench::uring_disk();
    if (wanted("rounds")) {
        bench::bench_rounds("threads", *plain, dir, seconds);
        if (uring != nullptr) bench::bench_rounds("io_uring", *uring, dir, seconds);
    }
    if (wanted("spool")) {
        bench_spool("spool, threads", plain, dir, seconds);
        if (uring != nullptr) bench_spool("spool, io_uring", uring, dir, seconds);
    }
    if (wanted("files")) bench::bench_files(dir, seconds);
    if (wanted("start") && start > 0) bench_start(dir, start);
}
