#include "ctl/completion.hpp"

#include <algorithm>
#include <array>

#include "base/ascii.hpp"
#include "control/protocol/commands.hpp"
#include "ctl/command_line.hpp"

namespace posthorn::ctl {
namespace {

using control::ArgType;
using control::Argument;
using control::Command;

constexpr std::array<std::string_view, 3> kShells = {"bash", "fish", "zsh"};
// Options of mailctl itself that want a value.
struct Option {
    std::string_view name;
    std::string_view help;
    std::string Completion::* value;
    bool file;
};
constexpr std::array kOptions = {
    Option{"--control-socket", "The server's control socket.", &Completion::socket, true},
    Option{"--token", "A token; better in MAILCTL_TOKEN or a file.", &Completion::token, false},
    Option{"--token-file", "A file with a token.", &Completion::token_file, true},
};

std::string text_of(const control::Value& map, std::string_view key) {
    const auto* value = map.find(key);
    return value != nullptr ? std::string(value->text()) : std::string();
}

// Walks over the finished words, then offers what may stand in the last one.
class Completer {
public:
    Completion run(std::span<const std::string> words) {
        if (words.empty()) return {};
        for (const std::string& word : words.first(words.size() - 1)) take(word);
        out_.begun = words.back();
        offer(words.back());
        std::erase_if(out_.candidates, [&](const Candidate& c) { return !c.word.starts_with(out_.begun); });
        return std::move(out_);
    }

private:
    void take(const std::string& word) {
        if (next_ != nullptr) {
            out_.*next_->value = word;
            next_ = nullptr;
        } else if (value_of_ != nullptr) {
            value_of_ = nullptr;
        } else if (word == "--") {
            only_plain_ = true;
        } else if (word.starts_with("-") && !only_plain_) {
            option(word);
        } else if (group_.empty()) {
            group_ = word;
            command_ = control::find_command(word);  // "trace" has no verb
        } else if (command_ == nullptr) {
            command_ = control::find_command(group_ + "." + word);
            verb_ = word;
        } else {
            ++plain_;
        }
    }

    void option(const std::string& word) {
        const auto name = word.substr(0, word.find('='));
        given_.push_back(name);
        for (const Option& option : kOptions) {
            if (option.name != name) continue;
            if (name == word)
                next_ = &option;
            else
                out_.*option.value = word.substr(name.size() + 1);
            return;
        }
        const Argument* arg = find(name);
        if (arg != nullptr && arg->type != ArgType::flag && name == word) value_of_ = arg;
    }

    const Argument* find(std::string_view option) const {
        if (command_ == nullptr) return nullptr;
        for (const Argument& arg : command_->args) {
            if (option_name(arg) == option) return &arg;
        }
        return nullptr;
    }

    void offer(const std::string& word) {
        const auto equals = word.find('=');
        if (next_ != nullptr) {
            if (next_->file) out_.wanted = Completion::Wanted::files;
        } else if (value_of_ != nullptr) {
            values(*value_of_, "");
        } else if (word.starts_with("--") && equals != std::string::npos && !only_plain_) {
            if (const Argument* arg = find(word.substr(0, equals))) values(*arg, word.substr(0, equals + 1));
        } else if (word.starts_with("-") && !only_plain_) {
            options();
        } else if (group_.empty()) {
            groups();
        } else if (command_ == nullptr) {
            if (verb_.empty()) verbs();
        } else {
            plain();
        }
    }

    void values(const Argument& arg, std::string before) {
        for (const auto choice : arg.choices) add(before + std::string(choice), "");
        if (arg.type == ArgType::ids || arg.name == "id" || arg.name == "what") {
            out_.wanted = Completion::Wanted::ids;
        } else if (arg.type == ArgType::text && (arg.name.ends_with("domain") || arg.name == "address")) {
            out_.wanted = Completion::Wanted::domains;
        }
        out_.before = std::move(before);
    }

    void options() {
        if (command_ != nullptr) {
            for (const Argument& arg : command_->args) {
                if (arg.secret) continue;
                if (arg.type == ArgType::texts)
                    add(option_name(arg), arg.help);  // may come again
                else if (!arg.plain)
                    add_option(option_name(arg), arg.help);
            }
        }
        add_option("--json", "The result as JSON.");
        for (const Option& option : kOptions) add_option(option.name, option.help);
        add_option("--help", "What there is, or more about a command.");
        if (group_.empty()) add_option("--version", "");
    }

    void add_option(std::string_view name, std::string_view help) {
        if (std::find(given_.begin(), given_.end(), name) == given_.end()) add(name, help);
    }

    void groups() {
        for (const Command& command : control::commands()) {
            const auto dot = command.name.find('.');
            const auto group = command.name.substr(0, dot);
            if (out_.candidates.empty() || out_.candidates.back().word != group)
                add(group, dot == std::string_view::npos ? command.help : "");
        }
        add("help", "");
        add("completion", "A script that lets a shell complete this.");
    }

    void verbs() {
        if (group_ == "completion") {
            for (const auto shell : kShells) add(shell, "");
        }
        for (const Command& command : control::commands()) {
            const auto dot = command.name.find('.');
            if (dot != std::string_view::npos && command.name.substr(0, dot) == group_)
                add(command.name.substr(dot + 1), command.help);
        }
    }

    // Each plain argument takes one word; ids take all that are left.
    void plain() {
        std::size_t before = plain_;
        for (const Argument& arg : command_->args) {
            if (!arg.plain) continue;
            if (before == 0 || arg.type == ArgType::ids) return values(arg, "");
            --before;
        }
    }

    void add(std::string_view word, std::string_view help) {
        out_.candidates.push_back({std::string(word), std::string(help)});
    }

    Completion out_;
    std::string group_, verb_;
    const Command* command_ = nullptr;
    const Argument* value_of_ = nullptr;
    std::vector<std::string> given_;
    std::size_t plain_ = 0;
    const Option* next_ = nullptr;  // whose value comes next
    bool only_plain_ = false;
};

// Bash cuts words at "=" and wants candidates without what stands before it; mailctl knows whole words.
constexpr std::string_view kBash = R"(# Completion of mailctl for bash: source <(mailctl completion bash)
_mailctl() {
    local words=() word tail=
    for word in "${COMP_WORDS[@]:1:COMP_CWORD}"; do
        if [[ ${#words[@]} -gt 0 && ( $word == = || $tail == = ) ]]; then
            words[-1]+=$word
        else
            words+=("$word")
        fi
        tail=$word
    done
    local last=${words[-1]} line
    COMPREPLY=()
    while IFS= read -r line; do
        word=${line%%$'\t'*}
        if [[ $word == :files ]]; then
            compopt -o default
        else
            [[ $last == --*=* ]] && word=${word#*=}
            COMPREPLY+=("$word")
        fi
    done < <("$1" complete "${words[@]}" 2>/dev/null)
}
complete -F _mailctl mailctl
)";

constexpr std::string_view kZsh = R"(#compdef mailctl
# Completion of mailctl for zsh: a file _mailctl in a folder of $fpath, or: source <(mailctl completion zsh)
_mailctl() {
    local -a described
    local line
    while IFS= read -r line; do
        if [[ $line == :files* ]]; then
            _files
        else
            line=${line//:/\\:}
            line=${line/$'\t'/:}
            described+=("${line%:}")
        fi
    done < <("${words[1]}" complete "${(@)words[2,CURRENT]}" 2>/dev/null)
    (( $#described )) && _describe mailctl described
}
if [[ ${funcstack[1]} == _mailctl ]]; then
    _mailctl "$@"
else
    compdef _mailctl mailctl
fi
)";

constexpr std::string_view kFish = R"(# Completion of mailctl for fish: mailctl completion fish | source
function __mailctl_complete
    set -l words (commandline -opc)
    set -l last (commandline -ct)
    for line in ($words[1] complete $words[2..-1] "$last" 2>/dev/null)
        if string match -q ':files*' -- $line
            __fish_complete_path "$last"
        else
            echo $line
        end
    end
end
complete -c mailctl -f -a '(__mailctl_complete)'
)";

}  // namespace

Completion complete(std::span<const std::string> words) { return Completer().run(words); }

std::vector<Candidate> known_to_queue(const Completion& wanted, const control::Value& messages) {
    std::vector<Candidate> out;
    const auto offer = [&](std::string_view word, std::string help) {
        const auto plain = [](char c) { return base::is_alnum(c) || c == '.' || c == '-'; };
        const auto whole = wanted.before + std::string(word);
        const auto same = [&](const Candidate& c) { return c.word == whole; };
        if (word.empty() || !std::all_of(word.begin(), word.end(), plain) || !whole.starts_with(wanted.begun))
            return;
        if (std::find_if(out.begin(), out.end(), same) == out.end()) out.push_back({whole, std::move(help)});
    };
    if (messages.items() == nullptr) return out;
    for (const auto& message : *messages.items()) {
        if (wanted.wanted == Completion::Wanted::ids) {
            offer(text_of(message, "id"), text_of(message, "arrival") + " " + text_of(message, "why"));
            continue;
        }
        const auto* recipients = message.find("recipients");
        if (recipients == nullptr || recipients->items() == nullptr) continue;
        for (const auto& recipient : *recipients->items()) {
            const auto address = text_of(recipient, "address");
            offer(std::string_view(address).substr(address.rfind('@') + 1), "");
        }
    }
    return out;
}

std::string_view completion_script(std::string_view shell) {
    if (shell == "bash") return kBash;
    if (shell == "zsh") return kZsh;
    if (shell == "fish") return kFish;
    return {};
}

}  // namespace posthorn::ctl
