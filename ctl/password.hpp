// Where mailctl has a password from: asked for on the terminal without echo, twice; or the first line of a file or of
// standard input. Never a word of the command line, which everybody on the machine can read.
#pragma once

#include <string>

#include "base/result.hpp"
#include "ctl/command_line.hpp"

namespace posthorn::ctl {

// Whether this command line wants a password that it does not make.
bool wants_password(const CommandLine& line);

// Sets the argument "password". A permanent error says what was wrong with what was given.
base::Result<void> give_password(CommandLine& line);

// The first line of the file ("-": standard input), without its end.
base::Result<std::string> password_from(const std::string& file);

}  // namespace posthorn::ctl
