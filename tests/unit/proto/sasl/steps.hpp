// Looking into steps.
#pragma once

#include <doctest/doctest.h>

#include <string>

#include "proto/sasl/server.hpp"

namespace posthorn::sasl::test {

template <class T>
const T& as(const Step& step) {
    const auto* found = std::get_if<T>(&step);
    REQUIRE(found != nullptr);
    return *found;
}

inline bool failed(const Step& step, Failed::Why why) {
    const auto* found = std::get_if<Failed>(&step);
    return found != nullptr && found->why == why;
}
inline bool malformed(const Step& step) { return failed(step, Failed::Why::malformed); }
inline bool refused(const Step& step) { return failed(step, Failed::Why::refused); }
inline bool done(const Step& step) { return std::holds_alternative<Done>(step); }

}  // namespace posthorn::sasl::test
