// The hot pure parts, one at a time. bench/micro runs it, with and without callgrind, and keeps baselines.
//
//   bench-micro                    the names of the cases, a line each: name, tab, what one operation is
//   bench-micro NAME OPERATIONS    does so many; prints the nanoseconds one took
#include <cstdio>
#include <cstdlib>

#include "bench/figures.hpp"
#include "bench/micro_cases.hpp"

using namespace posthorn;

int main(int argc, char** argv) {
    const auto cases = bench::cases();
    if (argc == 1) {
        for (const auto& one : cases) std::printf("%s\t%s\n", one.name.c_str(), one.unit.c_str());
        return 0;
    }
    const auto found = std::ranges::find(cases, std::string(argv[1]), &bench::Case::name);
    const auto operations = argc == 3 ? std::strtoull(argv[2], nullptr, 10) : 0;
    if (found == cases.end() || operations == 0) {
        std::fputs("usage: bench-micro [NAME OPERATIONS]\n", stderr);
        return 2;
    }
    const bench::Stopwatch watch;
    for (auto left = operations; left > 0; --left) {
        if (!found->step()) {
            std::fprintf(stderr, "%s does not do what it should\n", argv[1]);
            return 1;
        }
    }
    std::printf("%.1f\n", watch.seconds() * 1e9 / static_cast<double>(operations));
}
