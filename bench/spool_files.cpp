#include "bench/spool_files.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <mutex>
#include <thread>

#include "bench/figures.hpp"

namespace posthorn::bench {
namespace {

constexpr std::size_t kEnvelope = 700;  // octets beside the body, in a file as in the log

bool write_file(const std::string& dir, std::size_t number, const std::string& bytes, int dir_fd) {
    const auto temp = dir + "/t" + std::to_string(number);
    const auto name = dir + "/m" + std::to_string(number);
    const int fd = ::open(temp.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) return false;
    bool good = ::write(fd, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()) && ::fsync(fd) == 0;
    ::close(fd);
    good = good && ::rename(temp.c_str(), name.c_str()) == 0 && ::fsync(dir_fd) == 0;
    ::unlink(name.c_str());  // delivered at once, as the spool's messages are
    return good;
}

Figures files(const std::string& path, std::size_t size, std::size_t sessions, double seconds) {
    const int dir_fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const std::string bytes(size + kEnvelope, 'x');
    std::atomic<bool> stop{false};
    std::atomic<std::size_t> number{0};
    std::mutex mutex;
    Figures figures;
    const Stopwatch watch;
    {
        std::vector<std::jthread> threads;
        for (std::size_t i = 0; i < sessions; ++i) {
            threads.emplace_back([&] {
                std::vector<double> latencies;
                while (!stop) {
                    const Stopwatch one;
                    if (!write_file(path, number++, bytes, dir_fd)) break;
                    latencies.push_back(one.us());
                }
                const std::lock_guard lock(mutex);
                figures.latencies.insert(figures.latencies.end(), latencies.begin(), latencies.end());
            });
        }
        std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
        stop = true;
    }
    figures.seconds = watch.seconds();
    figures.cpu = watch.cpu();
    ::close(dir_fd);
    return figures;
}

}  // namespace

void bench_files(const std::string& dir, double seconds) {
    const auto path = dir + "/file-bench";
    for (const std::size_t size : {std::size_t{4096}, std::size_t{1} << 20}) {
        for (const std::size_t sessions : {std::size_t{1}, std::size_t{10}, std::size_t{64}}) {
            std::filesystem::remove_all(path);
            std::filesystem::create_directories(path);
            print("a file each", size, sessions, files(path, size, sessions, seconds));
        }
    }
    std::filesystem::remove_all(path);
}

void bench_rounds(const std::string& name, base::Disk& disk, const std::string& dir, double seconds) {
    constexpr std::uint64_t kSpace = std::uint64_t{64} << 20;
    const auto folder = dir + "/round-bench";
    for (const std::size_t messages : {std::size_t{1}, std::size_t{10}, std::size_t{64}}) {
        std::filesystem::remove_all(folder);
        std::filesystem::create_directories(folder + "/log");
        auto file = disk.open(folder + "/log/rounds", base::OpenMode::create);
        if (!file) return;
        const std::string zeros(std::size_t{1} << 20, '\0');
        for (std::uint64_t at = 0; at < kSpace; at += zeros.size()) (void)(*file)->write(at, zeros);
        if (!(*file)->sync()) return;
        const auto length = (messages * (4096 + kEnvelope) + 4095) / 4096 * 4096;
        const std::string round(length, 'x');
        Figures figures;
        figures.each = messages;
        const Stopwatch watch;
        for (std::uint64_t at = 4096; watch.seconds() < seconds; at += length) {
            if (at + length > kSpace) at = 4096;
            const Stopwatch one;
            if (!(*file)->write(at, round) || !(*file)->sync()) return;
            figures.latencies.push_back(one.us());
        }
        figures.seconds = watch.seconds();
        figures.cpu = watch.cpu();
        print("rounds, " + name, 4096, messages, std::move(figures));
    }
    std::filesystem::remove_all(folder);
}

}  // namespace posthorn::bench
