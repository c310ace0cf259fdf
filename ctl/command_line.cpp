#include "ctl/command_line.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>

#include "base/ascii.hpp"
#include "base/config/value.hpp"

namespace posthorn::ctl {
namespace {

using control::ArgType;
using control::Argument;
using control::Command;
using control::Value;

// "older_than" in a frame is --older-than on a command line.
std::string dashed(std::string_view name) {
    std::string out(name);
    std::replace(out.begin(), out.end(), '_', '-');
    return out;
}

std::string spaced(std::string_view name) {
    std::string out(name);
    std::replace(out.begin(), out.end(), '.', ' ');
    return out;
}

const Command* find_command(std::string_view group, std::string_view verb) {
    if (verb.empty()) return control::find_command(group);
    return control::find_command(fmt::format("{}.{}", group, verb));
}

std::string unknown_command(std::string_view group, std::string_view verb) {
    std::vector<std::string> known;
    for (const auto& command : control::commands()) known.push_back(spaced(command.name));
    const auto given = verb.empty() ? std::string(group) : fmt::format("{} {}", group, verb);
    const auto near = base::config::nearest(given, known);
    return fmt::format("there is no command \"{}\"{}", given,
                       near.empty() ? "; see mailctl --help" : fmt::format("; did you mean \"{}\"?", near));
}

class Parser {
public:
    explicit Parser(std::span<const std::string> words) : words_(words) {}

    std::expected<CommandLine, std::string> run() {
        while (next_ < words_.size() && error_.empty()) {
            const std::string& word = words_[next_++];
            if (word == "--" && !only_plain_)
                only_plain_ = true;
            else if (word.starts_with("-") && word.size() > 1 && !only_plain_)
                option(word);
            else
                plain(word);
        }
        if (error_.empty()) finish();
        if (!error_.empty()) return std::unexpected(error_);
        return std::move(line_);
    }

private:
    void option(const std::string& word) {
        const auto equals = word.find('=');
        const auto name = word.substr(0, equals);
        std::optional<std::string> value;
        if (equals != std::string::npos) value = word.substr(equals + 1);
        if (name == "--json")
            line_.json = true;
        else if (name == "--version")
            line_.version = true;
        else if (name == "-h" || name == "--help")
            help_ = true;
        else if (name == "--control-socket")
            line_.socket = wanted(name, value);
        else if (name == "--token")
            line_.token = wanted(name, value);
        else if (name == "--token-file")
            line_.token_file = wanted(name, value);
        else if (command_ == nullptr)
            error_ = fmt::format("unknown option {}", name);
        else
            argument(name, value);
    }

    std::string wanted(const std::string& name, const std::optional<std::string>& value) {
        if (value) return *value;
        if (next_ < words_.size()) return words_[next_++];
        error_ = fmt::format("{} wants a value", name);
        return {};
    }

    void argument(const std::string& option, const std::optional<std::string>& value) {
        for (const Argument& arg : command_->args) {
            if (option_name(arg) != option) continue;
            if (arg.secret) return secret(option);
            if (arg.type == ArgType::flag) {
                if (value) error_ = fmt::format("{} takes no value", option);
                set(arg, Value(true));
            } else {
                give(arg, wanted(option, value));
            }
            return;
        }
        std::vector<std::string> known;
        for (const Argument& arg : command_->args) {
            if (!arg.secret) known.push_back(option_name(arg));
        }
        const auto near = base::config::nearest(option, known);
        error_ = fmt::format("{} has no option {}{}", spaced(command_->name), option,
                             near.empty() ? "" : fmt::format("; did you mean {}?", near));
    }

    // Who may look at the processes of this machine would read it there.
    void secret(const std::string& option) {
        error_ =
            fmt::format("{} does not go on a command line: it is asked for, or read from {}-file", option, option);
    }

    void give(const Argument& arg, const std::string& word) {
        if (!error_.empty()) return;
        if (arg.type == ArgType::ids || arg.type == ArgType::texts) {
            lists_[&arg].emplace_back(word);
        } else if (arg.type == ArgType::integer) {
            std::int64_t n = 0;
            const auto [end, bad] = std::from_chars(word.data(), word.data() + word.size(), n);
            if (bad != std::errc{} || end != word.data() + word.size())
                error_ = fmt::format("--{} wants an integer, not {}", dashed(arg.name), word);
            set(arg, Value(n));
        } else if (arg.type == ArgType::number) {
            double n = 0;
            const auto [end, bad] = std::from_chars(word.data(), word.data() + word.size(), n);
            if (bad != std::errc{} || end != word.data() + word.size())
                error_ = fmt::format("--{} wants a number, not {}", dashed(arg.name), word);
            set(arg, Value(n));
        } else {
            set(arg, Value(word));
        }
    }

    void set(const Argument& arg, Value value) {
        if (line_.args.find(arg.name) != nullptr && error_.empty())
            error_ = fmt::format("{} is given twice", dashed(arg.name));
        line_.args.set(std::string(arg.name), std::move(value));
    }

    void plain(const std::string& word) {
        if (group_.empty()) {
            group_ = word;
            command_ = find_command(word, "");
        } else if (command_ == nullptr) {
            command_ = find_command(group_, word);
            if (command_ == nullptr) {
                verb_ = word;
                if (group_ != "help") error_ = unknown_command(group_, word);
            }
        } else {
            plain_.push_back(word);
        }
    }

    // Words without a name, in the table's order; where there are too few, those that may be left out are: of
    // [COMPONENT] LEVEL one word is the level.
    void give_plain() {
        std::vector<const Argument*> open;
        for (const Argument& arg : command_->args) {
            if (arg.plain && line_.args.find(arg.name) == nullptr) open.push_back(&arg);
        }
        for (auto at = open.begin(); at != open.end() && open.size() > plain_.size();)
            at = (*at)->required ? at + 1 : open.erase(at);
        for (std::size_t i = 0; i < plain_.size() && error_.empty(); ++i) {
            const bool list = !open.empty() && open.back()->type == ArgType::ids;
            if (i >= open.size() && !list)
                error_ = fmt::format("{} takes no \"{}\"", spaced(command_->name), plain_[i]);
            else
                give(*open[std::min(i, open.size() - 1)], plain_[i]);
        }
    }

    void finish() {
        if (line_.version) return;
        if (help_ || group_ == "help" || group_.empty()) {
            if (group_ == "help")
                line_.help_for = verb_;
            else
                line_.help_for = command_ != nullptr ? spaced(command_->name) : group_;
            if (!help_ && group_.empty()) error_ = "what? see mailctl --help";
            return;
        }
        if (command_ == nullptr) {
            error_ = unknown_command(group_, "");
            return;
        }
        give_plain();
        if (!error_.empty()) return;
        for (auto& [arg, list] : lists_) line_.args.set(std::string(arg->name), std::move(list));
        if (const auto complaint = control::check_args(*command_, line_.args, true)) error_ = *complaint;
        part_args();
        if (line_.own.find("interval") != nullptr && line_.own.find("watch") == nullptr)
            error_ = "--interval goes with --watch";
        if (line_.json && command_->shape == control::Shape::raw)
            error_ = fmt::format("{} gives the message itself: there is no JSON of it", spaced(command_->name));
        line_.command = command_;
    }

    void part_args() {
        auto all = std::exchange(line_.args, Value::map());
        for (const auto& [name, value] : *all.members()) {
            const auto same = [&, &n = name](const Argument& arg) { return arg.name == n; };
            const bool local = std::find_if(command_->args.begin(), command_->args.end(), same)->local;
            (local ? line_.own : line_.args).set(name, value);
        }
    }

    std::span<const std::string> words_;
    std::size_t next_ = 0;
    CommandLine line_;
    std::string group_, verb_, error_;
    std::vector<std::string> plain_;
    const Command* command_ = nullptr;
    std::map<const Argument*, Value::List> lists_;
    bool help_ = false;
    bool only_plain_ = false;
};

std::string placeholder(const Argument& arg) { return arg.type == ArgType::ids ? "ID..." : base::upper(arg.name); }

std::string synopsis(const Command& command) {
    std::string out = "mailctl " + spaced(command.name);
    for (const Argument& arg : command.args) {
        if (arg.secret) continue;
        std::string part = arg.plain                    ? placeholder(arg)
                           : arg.type == ArgType::flag  ? option_name(arg)
                           : arg.type == ArgType::texts ? option_name(arg) + " VALUE..."
                                                        : option_name(arg) + " VALUE";
        out += arg.required ? " " + part : " [" + part + "]";
    }
    return out;
}

std::string command_help(const Command& command) {
    std::string out = fmt::format("{}\n\n{}\n", synopsis(command), command.help);
    if (!command.args.empty()) out += "\n";
    for (const Argument& arg : command.args) {
        if (arg.secret) continue;
        const auto left = arg.plain ? placeholder(arg) : option_name(arg);
        out += fmt::format("  {:<14}  {}", left, arg.help);
        if (!arg.choices.empty()) out += fmt::format(" One of {}.", fmt::join(arg.choices, ", "));
        out += '\n';
    }
    return out;
}

}  // namespace

std::expected<CommandLine, std::string> parse_command_line(std::span<const std::string> words) {
    return Parser(words).run();
}

std::string option_name(const Argument& arg) { return "--" + dashed(arg.name); }

std::string help_text(std::string_view about) {
    std::string all;
    for (const Command& command : control::commands()) {
        const auto words = spaced(command.name);
        if (words == about) return command_help(command);
        if (about.empty() || words.starts_with(std::string(about) + " "))
            all += fmt::format("  {:<16}  {}\n", words, command.help);
    }
    return "mailctl [--control-socket PATH] [--token-file PATH] [--json] COMMAND [ARGUMENT...]\n\n" +
           (all.empty() ? "There is no such command.\n" : all) +
           (about.empty()
                ? "  completion       For a shell: bash, fish or zsh: source <(mailctl completion bash).\n"
                : "") +
           "\nmailctl COMMAND --help tells more about one. Exit status: 0 done, 1 refused or not found, 2 wrong "
           "usage,\n"
           "3 the server cannot be reached.\n";
}

}  // namespace posthorn::ctl
