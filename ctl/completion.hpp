// Completion of mailctl's command line in shells, from the command table. Pure: what only the server knows is named,
// not asked for.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "control/protocol/value.hpp"

namespace posthorn::ctl {

struct Candidate {
    std::string word;  // the whole word
    std::string help;  // for shells that show it; may be empty
};

struct Completion {
    // What may stand there beside `candidates`; ids and domains are the server's to tell.
    enum class Wanted : std::uint8_t { nothing, ids, domains, files };

    std::vector<Candidate> candidates;
    Wanted wanted = Wanted::nothing;
    std::string before;  // stands before each id or domain: "--domain="
    std::string begun;   // each candidate begins with it
    std::string socket;  // of --control-socket
    std::string token;   // of --token
    std::string token_file;
};

// `words` without the program's name; the last one is being written and may be empty.
Completion complete(std::span<const std::string> words);

// What the answer to queue.list names of the ids or domains that are wanted. Addresses are strangers' work: a domain
// with more than letters, digits, dots and hyphens is left out, it would go to a shell.
std::vector<Candidate> known_to_queue(const Completion& wanted, const control::Value& messages);

// For `mailctl completion SHELL`; empty when there is none for it. It calls `mailctl complete WORD...`, which prints
// candidates, a line each: the word, a tab, its help; ":files" where the shell's own file names belong.
std::string_view completion_script(std::string_view shell);

}  // namespace posthorn::ctl
