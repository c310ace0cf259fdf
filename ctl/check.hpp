// `mailctl check`: asks posthornd, which knows its configuration, with --check; so it works with the server down.
#pragma once

#include <expected>
#include <string>
#include <utility>
#include <vector>

#include "control/protocol/value.hpp"

namespace posthorn::ctl {

// Where posthornd may be, in the order of trying: beside this program, where a build has it, where systems have it.
std::vector<std::string> server_programs(const std::string& own_path);

// Runs posthornd with these words: what it wrote to its standard output, and its exit status. `program` empty: the first of
// server_programs() that is there, else the one in PATH.
std::expected<std::pair<std::string, int>, std::string> run_server_program(std::string program,
                                                                           std::vector<std::string> words);

struct Checked {
    control::Value findings = control::Value::list();  // maps with `check`, `status`, `what`, `remedy`
    bool wrong = false;
};

// `program` empty: the first of server_programs() that is there, else the one in PATH. `config` empty: where it usually
// is. The error is a sentence.
std::expected<Checked, std::string> run_check(std::string program, const std::string& config);

// For people: a line each, the remedy below it. `colour`: for a terminal.
std::string show_findings(const control::Value& findings, bool colour);

}  // namespace posthorn::ctl
