// Runs seeds one after the other: `simulation [--seeds N] [--from S] | --seed X [--verbose]`.
#include <fmt/format.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "base/log.hpp"
#include "tests/simulation/run.hpp"

using namespace posthorn;
using namespace posthorn::simulation;

namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr std::uint64_t kDefaultSeeds = 100;
#elif defined(__OPTIMIZE__)
constexpr std::uint64_t kDefaultSeeds = 1000;
#else
constexpr std::uint64_t kDefaultSeeds = 150;
#endif
constexpr std::uint64_t kTwice = 25;  // one seed in so many is run again, and must do the same
constexpr int kFailuresShown = 10;

struct Options {
    std::uint64_t seeds = kDefaultSeeds;
    std::uint64_t from = 1;
    bool one = false;
    bool verbose = false;
};

bool parse(int argc, char** argv, Options& options) {
    for (int i = 1; i < argc; ++i) {
        const std::string_view option = argv[i];
        if (option == "--verbose") {
            options.verbose = true;
            continue;
        }
        if (i + 1 == argc) return false;
        const std::uint64_t value = std::strtoull(argv[++i], nullptr, 10);
        if (option == "--seeds")
            options.seeds = value;
        else if (option == "--from")
            options.from = value;
        else if (option == "--seed")
            options.from = value, options.seeds = 1, options.one = true;
        else
            return false;
    }
    return true;
}

Result run(std::uint64_t seed, bool verbose) {
    const base::log::Capture quiet;
    return Run(seed, verbose).go();
}

}  // namespace

int main(int argc, char** argv) {
    Options options;
    if (!parse(argc, argv, options)) {
        fmt::print(stderr, "simulation [--seeds N] [--from S] [--seed X] [--verbose]\n");
        return 2;
    }
    const auto start = std::chrono::steady_clock::now();
    std::uint64_t failed = 0;
    std::uint64_t lives = 0;
    std::uint64_t lines = 0;
    std::uint64_t logs = 0;
    Ledger::Figures all;
    for (std::uint64_t seed = options.from; seed < options.from + options.seeds; ++seed) {
        Result result = run(seed, options.verbose);
        if (result.violation.empty() && (options.one || seed % kTwice == 0)) {
            if (run(seed, false).hash != result.hash) result.violation = "the same seed does not do the same twice";
        }
        lives += static_cast<std::uint64_t>(result.lives);
        lines += result.lines;
        logs += result.store == "log";
        all.delivered += result.figures.delivered;
        all.failed += result.figures.failed;
        all.expired += result.figures.expired;
        all.cancelled += result.figures.cancelled;
        all.duplicates += result.figures.duplicates;
        all.dsns += result.figures.dsns;
        if (options.one) fmt::print("trace {:016x}, {} lines\n", result.hash, result.lines);
        if (result.violation.empty()) continue;
        if (++failed <= kFailuresShown) {
            fmt::print("seed {}: {}\n  again: {} --seed {} --verbose\n", seed, result.violation, argv[0], seed);
        }
    }
    const auto seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    fmt::print("figures {{\"seeds\": {}, \"seconds\": {:.1f}, \"lives\": {}, \"on_the_log\": {}, \"events\": {}, ",
               options.seeds, seconds, lives, logs, lines);
    fmt::print("\"delivered\": {}, \"failed\": {}, \"expired\": {}, \"cancelled\": {}, ", all.delivered, all.failed,
               all.expired, all.cancelled);
    fmt::print("\"duplicates\": {}, \"dsns\": {}}}\n", all.duplicates, all.dsns);
    fmt::print("tests: {} passed, {} failed\n", options.seeds - failed, failed);
    return failed == 0 ? 0 : 1;
}
