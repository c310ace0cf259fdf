#include "base/places.hpp"

#include <doctest/doctest.h>

#include <thread>
#include <vector>

using namespace posthorn;

TEST_CASE("no more places are taken than there are, by however many threads") {
    constexpr std::size_t kLimit = 20'000;
    std::atomic<std::size_t> taken{0};
    std::atomic<std::size_t> got{0};
    std::atomic<bool> exceeded{false};
    std::vector<std::thread> threads;
    for (int n = 0; n < 4; ++n) {
        threads.emplace_back([&] {
            for (std::size_t i = 0; i < kLimit; ++i) {
                if (base::take_place(taken, kLimit)) ++got;
                if (taken > kLimit) exceeded = true;
            }
        });
    }
    for (auto& thread : threads) thread.join();
    CHECK(got == kLimit);
    CHECK(taken == kLimit);
    CHECK_FALSE(exceeded);
    taken.fetch_sub(1);
    CHECK(base::take_place(taken, kLimit));
    CHECK_FALSE(base::take_place(taken, kLimit));
}
