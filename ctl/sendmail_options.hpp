// The command line of posthorn-sendmail: what programs have passed to a "sendmail" for forty years. Pure.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "mail/envelope.hpp"

namespace posthorn::ctl {

struct SendmailOptions {
    enum class Mode : std::uint8_t { submit, smtp, version, help } mode = Mode::submit;
    bool recipients_from_header = false;  // -t
    bool dot_ends = true;                 // a line with a single dot ends the message, unless -i or -oi
    std::string config;                   // -C: the server's configuration, for where its folders are
    std::optional<std::string> sender;    // -f, -r: as given; "" or "<>" is the null reverse-path
    std::string full_name;                // -F
    std::uint8_t notify = 0;              // -N: mail::notify bits
    mail::DsnReturn ret{};                // -R
    std::string envid;                    // -V, as given
    std::vector<std::string> recipients;  // as given
};

// `words` without the program's name. Options that other mailers know and that mean nothing here are taken and
// ignored. The error is a sentence; exit status 64 (EX_USAGE).
std::expected<SendmailOptions, std::string> parse_sendmail_options(std::span<const std::string> words);

std::string sendmail_help();

}  // namespace posthorn::ctl
