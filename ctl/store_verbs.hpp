// mailctl's verbs about the store that are more than a question to the server: mail from and to files of others, and check
// and repair with the server down.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "ctl/client.hpp"
#include "ctl/command_line.hpp"

namespace posthorn::ctl {

// `tell`: a line for the one who waits.
using Tell = std::function<void(const std::string&)>;

base::Result<control::Answer> import_mail(Client& client, const CommandLine& line, const Tell& tell);
base::Result<control::Answer> export_mail(Client& client, const CommandLine& line, const Tell& tell);

// Nothing: the command is not one of these.
std::optional<base::Result<control::Answer>> without_server(const CommandLine& line);

}  // namespace posthorn::ctl
