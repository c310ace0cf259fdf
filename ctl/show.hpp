// Results of commands as text for people. Pure.
#pragma once

#include <string>

#include "control/protocol/commands.hpp"

namespace posthorn::ctl {

std::string show(control::Shape shape, const control::Value& result, const control::Value& info);

}  // namespace posthorn::ctl
