// The hot pure parts, each as a function that does one operation.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace posthorn::bench {

struct Case {
    std::string name;
    std::string unit;            // what one operation is
    std::function<bool()> step;  // false: it did not do what it should
};

std::vector<Case> cases();

}  // namespace posthorn::bench
