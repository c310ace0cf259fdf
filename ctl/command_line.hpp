// mailctl's command line, made from the command table: words become a command and its arguments. Pure.
#pragma once

#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "control/protocol/commands.hpp"

namespace posthorn::ctl {

struct CommandLine {
    const control::Command* command = nullptr;  // null: help or version is wanted
    control::Value args = control::Value::map();
    control::Value own = control::Value::map();  // arguments that are not sent
    std::string socket;                          // empty: where it usually is
    std::string token;
    std::string token_file;
    bool json = false;
    bool version = false;
    std::string help_for;  // with `command` null: what the help is about, "" for all
};

// `words` without the program's name. The error is a sentence for people; exit status 2.
std::expected<CommandLine, std::string> parse_command_line(std::span<const std::string> words);

// "--older-than" of "older_than".
std::string option_name(const control::Argument& arg);

// About everything (""), a group ("queue") or a command ("queue list").
std::string help_text(std::string_view about);

}  // namespace posthorn::ctl
