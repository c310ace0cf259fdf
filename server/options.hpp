// The daemon's command line.
#pragma once

#include <expected>
#include <string>

namespace posthorn::server {

struct Options {
    enum class Action : unsigned char {
        run,
        check_config,
        check,
        print_config,
        version,
        help
    } action = Action::run;
    std::string config;  // empty: where it usually is
    bool json = false;   // of check
    bool ephemeral = false;
};

// The error is a sentence; exit status 2.
std::expected<Options, std::string> parse_options(int argc, const char* const* argv);
std::string options_help();

}  // namespace posthorn::server
