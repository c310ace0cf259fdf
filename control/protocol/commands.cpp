#include "control/protocol/commands.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/config/value.hpp"
#include "base/ulid.hpp"
#include "base/units.hpp"
#include "control/protocol/account_arguments.hpp"

namespace posthorn::control {
namespace {

constexpr std::array<std::string_view, 5> kStatuses = {"pending", "in-flight", "deferred", "frozen", "failed"};
constexpr std::array<std::string_view, 4> kSorts = {"arrival", "next_try", "attempts", "size"};

template <std::size_t N, std::size_t M>
constexpr std::array<Argument, N + M> join(const std::array<Argument, N>& a, const std::array<Argument, M>& b) {
    std::array<Argument, N + M> out{};
    std::copy(a.begin(), a.end(), out.begin());
    std::copy(b.begin(), b.end(), out.begin() + N);
    return out;
}

constexpr Argument kOneId = {
    .name = "id", .type = ArgType::text, .required = true, .plain = true, .help = "A message's id."};

// Which messages: the same for every command.
constexpr std::array kSelector = {
    Argument{
        .name = "ids", .type = ArgType::ids, .plain = true, .help = "Messages' ids; no filter goes with them."},
    Argument{.name = "status",
             .type = ArgType::choice,
             .help = "Only messages with a recipient in this state.",
             .choices = kStatuses},
    Argument{.name = "domain",
             .type = ArgType::text,
             .help = "Only for this recipient domain; \"*.example.com\": names below it."},
    Argument{.name = "sender", .type = ArgType::text, .help = "Only where the sender holds this text."},
    Argument{.name = "recipient", .type = ArgType::text, .help = "Only where a recipient holds this text."},
    Argument{.name = "reason",
             .type = ArgType::text,
             .help = "Only where a last reply, or why a recipient waits, holds this text."},
    Argument{.name = "older_than", .type = ArgType::duration, .help = "Only what arrived longer ago."},
    Argument{.name = "newer_than", .type = ArgType::duration, .help = "Only what arrived less long ago."},
};
constexpr auto kList = join(
    kSelector,
    std::array{
        Argument{
            .name = "sort", .type = ArgType::choice, .help = "Order; arrival if not given.", .choices = kSorts},
        Argument{.name = "descending", .type = ArgType::flag, .help = "Largest or newest first."},
        Argument{.name = "limit",
                 .type = ArgType::integer,
                 .help = "At most so many; 100 if not given.",
                 .min = 1,
                 .max = 10'000'000},
    });
constexpr std::array kView = {
    kOneId,
    Argument{.name = "headers", .type = ArgType::flag, .help = "With its header section, as it would go out."},
    Argument{.name = "body", .type = ArgType::flag, .help = "With the whole message."},
};
constexpr std::array kExport = {
    kOneId,
    Argument{.name = "as_sent",
             .type = ArgType::flag,
             .help = "Without the header fields that tell its envelope: what would go out and nothing else."},
};
constexpr std::array kImport = {
    Argument{.name = "sender", .type = ArgType::text, .help = "The envelope's sender; \"<>\": none."},
    Argument{.name = "recipient",
             .type = ArgType::texts,
             .help = "Who gets it, instead of whom the message itself names; may be given several times."},
    Argument{.name = "dry_run", .type = ArgType::flag, .help = "Look at it as if it were taken, and leave it."},
};
constexpr std::array kRedirect = {
    kOneId,
    Argument{.name = "to", .type = ArgType::text, .required = true, .help = "The address it goes to."},
};
constexpr auto kWhich =
    join(kSelector,
         std::array{
             Argument{.name = "all", .type = ArgType::flag, .help = "Everything in the queue."},
             Argument{.name = "dry_run", .type = ArgType::flag, .help = "Only tell how many messages it would be."},
         });
constexpr auto kDelete =
    join(kWhich, std::array{
                     Argument{.name = "bounce", .type = ArgType::flag, .help = "Tell the senders."},
                     Argument{.name = "yes", .type = ArgType::flag, .help = "Needed: what is deleted is gone."},
                 });
constexpr std::array kStats = {
    Argument{.name = "watch", .type = ArgType::flag, .help = "Again and again, until Ctrl-C.", .local = true},
    Argument{.name = "interval",
             .type = ArgType::integer,
             .help = "With --watch: seconds between two looks; 2 if not given.",
             .min = 1,
             .max = 86'400,
             .local = true},
};
constexpr std::array kDomain = {
    Argument{.name = "domain", .type = ArgType::text, .required = true, .plain = true, .help = "A domain."},
};

constexpr std::array kRoute = {
    Argument{.name = "address",
             .type = ArgType::text,
             .required = true,
             .plain = true,
             .help = "An address, or a domain."},
};
constexpr std::array kPlan = {
    Argument{
        .name = "file", .type = ArgType::text, .required = true, .plain = true, .help = "A configuration file."},
    Argument{.name = "since", .type = ArgType::duration, .help = "Only mail that was seen less long ago."},
};
constexpr std::array kCheck = {
    Argument{.name = "config",
             .type = ArgType::text,
             .help = "The configuration file; if not given that of the server that runs, or where it usually is.",
             .local = true},
    Argument{.name = "server",
             .type = ArgType::text,
             .help = "The program posthornd; if not given it is sought beside this one and in PATH.",
             .local = true},
};

constexpr std::array kTrace = {
    Argument{.name = "what",
             .type = ArgType::text,
             .required = true,
             .plain = true,
             .help = "A message's id, a Message-ID, an address, a client's IP address or a session's id."},
    Argument{.name = "since", .type = ArgType::duration, .help = "Only what happened less long ago."},
    Argument{.name = "limit",
             .type = ArgType::integer,
             .help = "At most so many messages and sessions, the newest; 50 if not given.",
             .min = 1,
             .max = 1000},
};

constexpr std::array<std::string_view, 7> kLevels = {"debug", "info",  "notice", "warning",
                                                     "error", "fatal", "default"};
constexpr std::array kLogLevel = {
    Argument{.name = "component",
             .type = ArgType::text,
             .plain = true,
             .help = "Of this component only: smtp, message, delivery, spool, control, ..."},
    Argument{.name = "level",
             .type = ArgType::choice,
             .plain = true,
             .help = "Least important lines that are written; if not given, levels are shown.",
             .choices = kLevels},
};

constexpr Argument kPattern = {.name = "domain",
                               .type = ArgType::text,
                               .required = true,
                               .plain = true,
                               .help = "A domain; \"*.example.com\": names below it; \"*\": all."};
constexpr std::array kRateSet = {
    kPattern,
    Argument{.name = "per_second",
             .type = ArgType::number,
             .required = true,
             .help = "Tokens a second; fractions count; 0: no limit.",
             .max = 1'000'000},
    Argument{.name = "burst",
             .type = ArgType::integer,
             .required = true,
             .help = "Tokens a full bucket holds.",
             .min = 1,
             .max = 1'000'000},
};
constexpr std::array kPatternOnly = {kPattern};
constexpr std::array kOverride = {
    kPattern,
    Argument{.name = "to", .type = ArgType::text, .required = true, .plain = true, .help = "HOST or HOST:PORT."},
};
constexpr Argument kAnyDomain = {
    .name = "domain", .type = ArgType::text, .plain = true, .help = "Of this domain alone."};
constexpr Argument kLimit = {.name = "limit",
                             .type = ArgType::integer,
                             .help = "At most so many; 1000 if not given.",
                             .min = 1,
                             .max = 100'000};
constexpr std::array kDestinations = {kAnyDomain, kLimit};
constexpr std::array kCached = {kAnyDomain, kLimit};
constexpr std::array kClear = {kAnyDomain};

constexpr Argument kAccount = {
    .name = "account", .type = ArgType::text, .required = true, .plain = true, .help = "An account: user@domain."};
constexpr Argument kOfflineConfig = {
    .name = "config",
    .type = ArgType::text,
    .help = "With the server down: its configuration file; if not given, where it usually is.",
    .local = true};
constexpr Argument kOfflineServer = {
    .name = "server",
    .type = ArgType::text,
    .help = "With the server down: the program posthornd; if not given it is sought beside this one and in PATH.",
    .local = true};
constexpr std::array kStoreList = {kAnyDomain, kLimit};
constexpr std::array kStoreCheck = {
    kAccount,
    Argument{.name = "bodies", .type = ArgType::flag, .help = "Read each message and hold it against its sum."},
    kOfflineConfig,
    kOfflineServer,
};
constexpr std::array kStoreRepair = {kAccount, kOfflineConfig, kOfflineServer};
constexpr std::array<std::string_view, 3> kMailFormats = {"maildir", "mbox", "eml"};
constexpr Argument kMailFormat = {.name = "format",
                                  .type = ArgType::choice,
                                  .required = true,
                                  .plain = true,
                                  .help = "How mail stands in files: maildir, mbox, or eml (a file a message).",
                                  .choices = kMailFormats,
                                  .local = true};
constexpr std::array kStoreImport = {
    kMailFormat,
    Argument{.name = "folder",
             .type = ArgType::text,
             .required = true,
             .plain = true,
             .help = "Where it stands, on this machine; of mbox also a file, which goes to INBOX.",
             .local = true},
    kAccount,
    Argument{
        .name = "source",
        .type = ArgType::text,
        .help = "A name of the source, if not given its path: mail that came from it before does not come again."},
};
constexpr std::array kStoreExport = {
    kMailFormat,
    Argument{.name = "folder",
             .type = ArgType::text,
             .required = true,
             .plain = true,
             .help = "Where it is to stand, on this machine; made when it is not there.",
             .local = true},
    kAccount,
};
constexpr std::array kStoreBackup = {
    kAccount,
    Argument{.name = "to",
             .type = ArgType::text,
             .required = true,
             .help = "A folder on the server's machine, an absolute path; it is made and must not be there."},
};
constexpr std::array kStoreRestore = {
    kAccount,
    Argument{.name = "from",
             .type = ArgType::text,
             .required = true,
             .help = "A folder on the server's machine that backup made, an absolute path."},
};
constexpr std::array kStoreReindex = {kAccount};
constexpr std::array kStoreUndelete = {
    kAccount,
    Argument{.name = "since", .type = ArgType::duration, .help = "Only what was expunged less long ago."},
};

constexpr std::array kShutdown = {
    Argument{.name = "now",
             .type = ArgType::flag,
             .help = "Sessions and deliveries under way are cut off; what is being made durable is waited for."},
};

constexpr std::array kCommands = {
    Command{"system.ping", Role::read, Shape::fields, "Is the server there?", {}},
    Command{"system.status", Role::read, Shape::fields, "How the server and its parts are.", {}},
    Command{"system.log-level", Role::write, Shape::fields, "Sets what is logged, until the next start.",
            kLogLevel},
    Command{
        "system.config", Role::read, Shape::toml, "The configuration that holds, as TOML; secrets are masked.", {}},
    Command{"system.reload",
            Role::write,
            Shape::fields,
            "Reads the configuration and the certificates again, as SIGHUP does.",
            {}},
    Command{"system.shutdown", Role::write, Shape::fields, "Ends the server, as SIGTERM does.", kShutdown},
    Command{"queue.list", Role::read, Shape::table, "Messages in the queue.", kList},
    Command{"queue.view", Role::read, Shape::message, "One message: its recipients and why they wait.", kView},
    Command{"queue.export", Role::read, Shape::raw, "One message, octet by octet, with its envelope.", kExport},
    Command{.name = "queue.import",
            .role = Role::write,
            .shape = Shape::fields,
            .help = "Takes a message from standard input into the queue, under a new id.",
            .args = kImport,
            .body = true},
    Command{"queue.stats", Role::read, Shape::fields, "Figures of the queue and its destinations.", kStats},
    Command{"queue.retry", Role::write, Shape::table, "Try again now.", kWhich},
    Command{"queue.process-now", Role::write, Shape::table, "Try everything again now.", {}},
    Command{"queue.freeze", Role::write, Shape::table,
            "Hold back until unfrozen; of a domain alone or of all also what comes later.", kWhich},
    Command{"queue.unfreeze", Role::write, Shape::table, "Let go on.", kWhich},
    Command{"queue.redirect", Role::write, Shape::fields,
            "Sends a message to another address instead of its pending recipients.", kRedirect},
    Command{"queue.delete", Role::write, Shape::table, "Give up pending recipients.", kDelete},
    Command{"route", Role::read, Shape::table,
            "Which rules decide about mail for an address now, and where it goes; nothing is sent.", kRoute},
    Command{"destinations", Role::read, Shape::table,
            "Where mail goes to now: connections, bucket, backlog, last error, TLS.", kDestinations},
    Command{
        "rate.list", Role::read, Shape::table, "Rate limits: those of the configuration and those set here.", {}},
    Command{"rate.set", Role::write, Shape::fields, "Sets a domain's rate limit, until it is reset.", kRateSet},
    Command{"rate.reset", Role::write, Shape::fields, "The configuration's rate limit holds again.", kPatternOnly},
    Command{"store.list", Role::read, Shape::table, "Accounts that have mailboxes here, and what they hold.",
            kStoreList},
    Command{"store.check", Role::read, Shape::fields, "Whether an account's mailboxes are in good order.",
            kStoreCheck},
    Command{"store.repair", Role::write, Shape::fields,
            "Puts an account in order; makes a lost index again from the bodies and the newest snapshot.",
            kStoreRepair},
    Command{"store.backup", Role::write, Shape::fields, "Copies an account, which goes on meanwhile.",
            kStoreBackup},
    Command{"store.restore", Role::write, Shape::fields,
            "Puts such a copy in the place of what an account has; its clients read their mailboxes anew.",
            kStoreRestore},
    Command{"store.undelete", Role::write, Shape::fields, "Brings back expunged messages that are still there.",
            kStoreUndelete},
    Command{.name = "store.import",
            .role = Role::write,
            .shape = Shape::fields,
            .help = "Mail from files of others into an account, once, however often it is begun again.",
            .args = kStoreImport,
            .body = true},
    Command{"store.export", Role::write, Shape::fields, "An account's mail into files that others read.",
            kStoreExport},
    Command{"store.reindex", Role::write, Shape::fields, "Makes an account's full-text index again.",
            kStoreReindex},
    Command{"dns.list-cache", Role::read, Shape::table, "DNS answers that are kept, the last used first.", kCached},
    Command{"dns.clear-cache", Role::write, Shape::fields, "Forgets what DNS said of a name, or everything.",
            kClear},
    Command{"dns.lookup", Role::read, Shape::table,
            "A domain's mail hosts and their addresses, as mail would find them.", kDomain},
    Command{"dns.refresh", Role::write, Shape::table, "The same, asked anew.", kDomain},
    Command{"dns.list-overrides",
            Role::read,
            Shape::table,
            "Domains whose mail does not go by MX: those of the configuration and those set here.",
            {}},
    Command{"dns.set-override", Role::write, Shape::fields,
            "Sends a domain's mail to a host, until that is removed.", kOverride},
    Command{"dns.remove-override", Role::write, Shape::fields, "Takes such an override away.", kPatternOnly},
    Command{"domain.add", Role::write, Shape::fields, "Takes mail for one more domain.", kOneDomain},
    Command{"domain.list", Role::read, Shape::table, "Our domains, and how much is in them.", {}},
    Command{"domain.show", Role::read, Shape::fields, "One of our domains.", kOneDomain},
    Command{"domain.set", Role::write, Shape::fields, "Changes what is said of a domain.", kDomainSet},
    Command{"domain.remove", Role::write, Shape::fields, "Takes no more mail for a domain.", kDomainRemove},
    Command{"account.add", Role::write, Shape::fields, "Makes an account.", kAccountAdd},
    Command{"account.list", Role::read, Shape::table, "Accounts.", kOfOneDomain},
    Command{"account.show", Role::read, Shape::fields, "One account, its aliases and app passwords.", kOneAccount},
    Command{"account.set", Role::write, Shape::fields, "Changes what is said of an account.", kAccountSet},
    Command{"account.passwd", Role::write, Shape::fields, "Sets a password, or makes an app password.",
            kAccountPasswd},
    Command{"account.remove", Role::write, Shape::fields, "Removes an account; its mailboxes stay.",
            kAccountRemove},
    Command{"alias.add", Role::write, Shape::fields, "Lets an address lead to others, beside those it leads to.",
            kAliasChange},
    Command{"alias.list", Role::read, Shape::table, "Aliases.", kOfOneDomain},
    Command{"alias.show", Role::read, Shape::fields, "One alias.", kOneAlias},
    Command{"alias.set", Role::write, Shape::fields, "Lets an address lead to these others alone.", kAliasChange},
    Command{"alias.remove", Role::write, Shape::fields, "Takes an alias away, or some of its targets.",
            kAliasRemove},
    Command{
        "token.new", Role::read, Shape::fields, "A new token for [control.auth], and its SHA-256 sum.", {}, true},
    Command{.name = "config.plan",
            .role = Role::write,
            .shape = Shape::table,
            .help = "What another configuration would have decided otherwise about the mail of the history.",
            .args = kPlan,
            .body = true},
    Command{"check", Role::read, Shape::table,
            "Whether the server can work on this machine: what is wrong, and the remedy. It may be up or down.",
            kCheck, true},
    Command{"trace", Role::read, Shape::timeline, "What happened to a message, an address or a client.", kTrace},
};

std::optional<std::string> check_text(const Argument& arg, const Value& value) {
    if (value.as<std::string>() == nullptr) return fmt::format("argument {} wants a string", arg.name);
    if (arg.type == ArgType::duration && !base::parse_duration(value.text()))
        return fmt::format("argument {} wants a duration such as \"1h30m\"", arg.name);
    if (arg.type != ArgType::choice) return std::nullopt;
    if (std::find(arg.choices.begin(), arg.choices.end(), value.text()) != arg.choices.end()) return std::nullopt;
    return fmt::format("argument {} wants one of {}", arg.name, fmt::join(arg.choices, ", "));
}

std::optional<std::string> check_ids(const Argument& arg, const Value& value) {
    const auto* list = value.items();
    if (list == nullptr) return fmt::format("argument {} wants a list of message ids", arg.name);
    if (list->size() > kMaxIds) return fmt::format("argument {} takes at most {} ids", arg.name, kMaxIds);
    for (const auto& id : *list) {
        if (!base::Ulid::parse(id.text())) return fmt::format("\"{}\" is not a message id", id.text());
    }
    return std::nullopt;
}

std::optional<std::string> check_texts(const Argument& arg, const Value& value) {
    const auto* list = value.items();
    if (list == nullptr) return fmt::format("argument {} wants a list of strings", arg.name);
    if (list->size() > kMaxTexts) return fmt::format("argument {} takes at most {} values", arg.name, kMaxTexts);
    for (const auto& one : *list) {
        if (one.as<std::string>() == nullptr) return fmt::format("argument {} wants a list of strings", arg.name);
    }
    return std::nullopt;
}

std::optional<std::string> check_arg(const Argument& arg, const Value& value) {
    switch (arg.type) {
        case ArgType::text:
        case ArgType::duration:
        case ArgType::choice: return check_text(arg, value);
        case ArgType::flag:
            if (value.as<bool>() == nullptr) return fmt::format("argument {} wants true or false", arg.name);
            return std::nullopt;
        case ArgType::integer: {
            const auto n = value.integer();
            if (!n || *n < arg.min || *n > arg.max)
                return fmt::format("argument {} wants an integer from {} to {}", arg.name, arg.min, arg.max);
            return std::nullopt;
        }
        case ArgType::number: {
            const auto n = value.number();
            if (!n || !(*n >= static_cast<double>(arg.min) && *n <= static_cast<double>(arg.max)))
                return fmt::format("argument {} wants a number from {} to {}", arg.name, arg.min, arg.max);
            return std::nullopt;
        }
        case ArgType::ids: return check_ids(arg, value);
        case ArgType::texts: return check_texts(arg, value);
    }
    return std::nullopt;
}

}  // namespace

Value without_secrets(const Command* command, const Value& args) {
    if (command == nullptr || args.members() == nullptr) return args;
    auto out = Value::map();
    for (const auto& [key, value] : *args.members()) {
        const bool hidden = std::any_of(command->args.begin(), command->args.end(),
                                        [&, &k = key](const Argument& a) { return a.secret && a.name == k; });
        out.set(key, hidden ? Value("(secret)") : value);
    }
    return out;
}

std::string_view name(Role role) { return role == Role::read ? "read" : "write"; }

std::span<const Command> commands() { return kCommands; }

const Command* find_command(std::string_view name) {
    const auto* found =
        std::find_if(kCommands.begin(), kCommands.end(), [&](const Command& c) { return c.name == name; });
    return found == kCommands.end() ? nullptr : found;
}

std::optional<std::string> check_args(const Command& command, const Value& args, bool here) {
    for (const auto& [key, value] : *args.members()) {
        const auto arg = std::find_if(command.args.begin(), command.args.end(), [&, &k = key](const Argument& a) {
            return a.name == k && (here || !a.local);
        });
        if (arg == command.args.end()) {
            std::vector<std::string> known;
            for (const auto& a : command.args) {
                if (here || !a.local) known.emplace_back(a.name);
            }
            const auto near = base::config::nearest(key, known);
            return fmt::format("{} has no argument {}{}", command.name, key,
                               near.empty() ? "" : fmt::format("; did you mean {}?", near));
        }
        if (auto complaint = check_arg(*arg, value)) return complaint;
    }
    for (const auto& arg : command.args) {
        if (arg.local && !here) continue;
        if (arg.required && args.find(arg.name) == nullptr)
            return fmt::format("{} needs the argument {}", command.name, arg.name);
    }
    return std::nullopt;
}

}  // namespace posthorn::control
