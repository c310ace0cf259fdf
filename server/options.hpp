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
        store_check,
        store_repair,
        print_config,
        count_queue,
        version,
        help
    } action = Action::run;
    std::string config;   // empty: where it usually is
    bool json = false;    // of check
    std::string account;  // of store_check and store_repair
    bool bodies = false;  // of store_check
    bool ephemeral = false;
};

// The error is a sentence; exit status 2.
std::expected<Options, std::string> parse_options(int argc, const char* const* argv);
std::string options_help();

}  // namespace posthorn::server
