// What `trace` found, as stories for people: each message with the session it came by, line by line. Pure.
#pragma once

#include <string>

#include "control/protocol/value.hpp"

namespace posthorn::ctl {

std::string timeline(const control::Value& events, const control::Value& info);

}  // namespace posthorn::ctl
