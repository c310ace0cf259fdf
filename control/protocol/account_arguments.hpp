// The arguments of the commands about domains, accounts and aliases: a part of the command table (commands.cpp).
#pragma once

#include <array>

#include "control/protocol/commands.hpp"

namespace posthorn::control {

inline constexpr std::int64_t kManyMessages = 4'000'000'000;

inline constexpr Argument kOwnDomain = {
    .name = "domain", .type = ArgType::text, .required = true, .plain = true, .help = "One of our domains."};
inline constexpr Argument kOfDomain = {
    .name = "domain", .type = ArgType::text, .plain = true, .help = "Of this domain alone."};
inline constexpr Argument kAccountName = {
    .name = "account", .type = ArgType::text, .required = true, .plain = true, .help = "An account: its address."};
inline constexpr Argument kAliasName = {
    .name = "alias", .type = ArgType::text, .required = true, .plain = true, .help = "An alias: its address."};
inline constexpr Argument kTargets = {.name = "targets",
                                      .type = ArgType::text,
                                      .required = true,
                                      .plain = true,
                                      .help = "Where its mail goes: addresses, with commas between them."};
inline constexpr Argument kYes = {.name = "yes", .type = ArgType::flag, .help = "Needed: what is removed is gone."};

inline constexpr std::array kOneDomain = {kOwnDomain};
inline constexpr std::array kDomainSet = {
    kOwnDomain,
    Argument{.name = "catch_all",
             .type = ArgType::text,
             .help = "Who gets mail for names that nobody has: addresses, with commas between them."},
    Argument{.name = "no_catch_all", .type = ArgType::flag, .help = "Refuse mail for such names."},
};
inline constexpr std::array kDomainRemove = {
    kOwnDomain,
    Argument{.name = "everything", .type = ArgType::flag, .help = "With its accounts and aliases; mailboxes stay."},
    kYes,
};

inline constexpr Argument kName = {.name = "name", .type = ArgType::text, .help = "The name of the person."};
inline constexpr Argument kQuota = {
    .name = "quota", .type = ArgType::text, .help = "What its mailboxes may hold, such as 2GiB; 0: no bound."};
inline constexpr Argument kMaxMessages = {.name = "max_messages",
                                          .type = ArgType::integer,
                                          .help = "Messages its mailboxes may hold; 0: no bound.",
                                          .max = kManyMessages};
inline constexpr Argument kPerHour = {.name = "messages_per_hour",
                                      .type = ArgType::integer,
                                      .help = "Messages it may submit in an hour; 0: as configured.",
                                      .max = kManyMessages};
inline constexpr Argument kPerDay = {.name = "recipients_per_day",
                                     .type = ArgType::integer,
                                     .help = "Recipients it may submit to in a day; 0: as configured.",
                                     .max = kManyMessages};
inline constexpr Argument kMessageSize = {
    .name = "max_message_size",
    .type = ArgType::text,
    .help = "Size of a message it may submit, such as 20MiB; 0: as configured."};
inline constexpr Argument kDisable = {
    .name = "disable", .type = ArgType::flag, .help = "Nobody logs in, mail for it is refused; what it has stays."};

// The password itself: asked for, or read from a file or standard input, never a word of a command line.
inline constexpr Argument kPassword = {
    .name = "password", .type = ArgType::text, .help = "The password.", .secret = true};
inline constexpr Argument kPasswordFile = {.name = "password_file",
                                           .type = ArgType::text,
                                           .help = "A file whose first line is the password; -: standard input.",
                                           .local = true};
inline constexpr Argument kGenerate = {
    .name = "generate", .type = ArgType::flag, .help = "Make a password and show it, once."};
inline constexpr Argument kHashed = {.name = "hashed",
                                     .type = ArgType::flag,
                                     .help =
                                         "What is given is not the password but a hash that another system made "
                                         "of it: argon2, bcrypt, yescrypt, sha512-crypt, {SSHA}."};

inline constexpr std::array kAccountAdd = {
    kAccountName,
    kName,
    kQuota,
    kMaxMessages,
    kPerHour,
    kPerDay,
    kMessageSize,
    kDisable,
    kPassword,
    kPasswordFile,
    kGenerate,
    kHashed,
    Argument{.name = "no_password", .type = ArgType::flag, .help = "An account that nobody logs into."},
};
inline constexpr std::array kAccountSet = {
    kAccountName, kName,    kQuota,
    kMaxMessages, kPerHour, kPerDay,
    kMessageSize, kDisable, Argument{.name = "enable", .type = ArgType::flag, .help = "Again."},
};
inline constexpr std::array kAccountPasswd = {
    kAccountName,
    kPassword,
    kPasswordFile,
    kGenerate,
    kHashed,
    Argument{.name = "app",
             .type = ArgType::text,
             .help = "Makes one more password for this program or device, and shows it, once."},
    Argument{.name = "service", .type = ArgType::text, .help = "With --app: for this service alone, such as imap."},
    Argument{.name = "remove_app",
             .type = ArgType::integer,
             .help = "Takes the app password with this number away.",
             .min = 1,
             .max = kManyMessages},
};
inline constexpr std::array kOneAccount = {kAccountName};
inline constexpr std::array kAccountRemove = {kAccountName, kYes};
inline constexpr std::array kOfOneDomain = {kOfDomain};

inline constexpr std::array kAliasChange = {kAliasName, kTargets};
inline constexpr std::array kOneAlias = {kAliasName};
inline constexpr std::array kAliasRemove = {
    kAliasName,
    Argument{.name = "targets",
             .type = ArgType::text,
             .plain = true,
             .help = "These addresses alone; if not given, the alias."},
};

}  // namespace posthorn::control
