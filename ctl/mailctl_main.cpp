// mailctl: a person's hand on the running server. Everything it knows of commands is in the command table.
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/units.hpp"
#include "base/version.hpp"
#include "ctl/check.hpp"
#include "ctl/client.hpp"
#include "ctl/command_line.hpp"
#include "ctl/completion.hpp"
#include "ctl/config_text.hpp"
#include "ctl/message_input.hpp"
#include "ctl/message_text.hpp"
#include "ctl/password.hpp"
#include "ctl/show.hpp"
#include "ctl/store_verbs.hpp"
#include "ctl/timeline.hpp"
#include "ctl/token.hpp"
#include "ctl/watch.hpp"

namespace {

using namespace posthorn;

enum Exit : int { done = 0, refused = 1, usage = 2, unreachable = 3 };

constexpr int kMaxOffered = 1000;
constexpr long kInterval = 2;  // seconds

void out(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stdout); }
void complain(const std::string& text) { std::fprintf(stderr, "mailctl: %s\n", text.c_str()); }

std::unique_ptr<ctl::ListPrinter> make_printer(const ctl::CommandLine& line) {
    using control::Shape;
    const bool whole = line.args.find("body") != nullptr;
    switch (line.command->shape) {
        case Shape::raw: return std::make_unique<ctl::RawShow>();
        case Shape::message:
            if (line.json) return std::make_unique<ctl::MessageJson>(whole ? "body" : "headers");
            return std::make_unique<ctl::MessageShow>();
        case Shape::toml:
            if (!line.json) return std::make_unique<ctl::ConfigText>();
            break;
        case Shape::fields:
        case Shape::table:
        case Shape::timeline: break;
    }
    return std::make_unique<ctl::ListShow>(line.json);
}

// What was written may stand in a buffer still, and its file be full.
int written(int status) {
    if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return status;
    complain(std::string("cannot write the output: ") + std::strerror(errno));
    return refused;
}

bool colours() {
    const char* no = std::getenv("NO_COLOR");  // no-color.org
    return ::isatty(STDOUT_FILENO) == 1 && (no == nullptr || *no == '\0');
}

// `mailctl check`. Which configuration matters is the running server's to say, where there is one.
int check(const ctl::CommandLine& line) {
    const auto own = [&](std::string_view name) {
        const auto* value = line.own.find(name);
        return value != nullptr ? std::string(value->text()) : std::string();
    };
    auto config = own("config");
    if (const auto token = ctl::find_token(line.token, line.token_file); config.empty() && token) {
        if (auto client = ctl::Client::connect(line.socket)) {
            client->use_token(*token);
            const auto status = client->call("system.status", control::Value::map());
            const auto* path = status && status->ok ? status->result.find("config") : nullptr;
            if (path != nullptr) config = path->text();
        }
    }
    const auto checked = ctl::run_check(own("server"), config);
    if (!checked) return complain(checked.error()), unreachable;
    out(line.json ? control::to_json(checked->findings, true) + "\n"
                  : ctl::show_findings(checked->findings, colours()));
    return checked->wrong ? refused : done;
}

// Nothing that the server would know of.
int run_here(const ctl::CommandLine& line) {
    if (line.command->name == "check") return check(line);
    const auto result = ctl::new_token();
    out(line.json ? control::to_json(result, true) + "\n" : ctl::show(result));
    return done;
}

// A trace of which nothing is known, an order of which no id is in the queue.
bool found_nothing(const control::Value& info) {
    const auto is = [&](std::string_view name, bool zero) {
        const auto* value = info.find(name);
        const auto number = value != nullptr ? value->integer() : std::nullopt;
        return number && (*number == 0) == zero;
    };
    return is("stories", true) || (is("changed", true) && is("unknown", false));
}

// Complains of what is no result.
int status_of(const base::Result<control::Answer>& answer) {
    if (!answer) {
        complain(answer.error().log_text);
        return unreachable;
    }
    if (answer->ok) return done;
    complain(answer->message);
    return answer->code == "bad_request" ? usage : refused;
}

std::string text_of(const ctl::CommandLine& line, const control::Value& result) {
    return line.json ? control::to_json(result, true) + "\n" : ctl::show(result);
}

// What stands on standard input goes with the request. The server that is not there is told of before it is read.
int run_long(const ctl::CommandLine& line, const std::string& token) {
    if (auto client = ctl::Client::connect(line.socket); !client) {
        complain("the server cannot be reached: " + client.error().log_text);
        return unreachable;
    }
    const auto* file = line.args.find("file");
    auto input =
        file != nullptr ? ctl::MessageInput::open(std::string(file->text())) : ctl::MessageInput::read(stdin);
    if (!input) {
        complain(input.error().log_text);
        return refused;
    }
    auto client = ctl::Client::connect(line.socket);
    if (!client) {
        complain("the server cannot be reached: " + client.error().log_text);
        return unreachable;
    }
    client->use_token(token);
    const auto answer =
        client->call_long(std::string(line.command->name), line.args, [&] { return input->next(); });
    if (const int status = status_of(answer); status != done) return status;
    out(text_of(line, answer->result));
    if (const auto* seen = answer->info.find("recipients"); seen != nullptr && !line.json)
        out(fmt::format("({} changes for {} recipients)\n", answer->info.find("changes")->integer().value_or(0),
                        seen->integer().value_or(0)));
    return done;
}

// Mail from and to files of others: what is said meanwhile goes to standard error.
int run_mail(const ctl::CommandLine& line, const std::string& token) {
    auto client = ctl::Client::connect(line.socket);
    if (!client) {
        complain("the server cannot be reached: " + client.error().log_text);
        return unreachable;
    }
    client->use_token(token);
    const ctl::Tell tell = [](const std::string& text) { complain(text); };
    const auto answer = line.command->name == "store.import" ? ctl::import_mail(*client, line, tell)
                                                             : ctl::export_mail(*client, line, tell);
    if (const int status = status_of(answer); status != done) {
        complain("what was done stays done: the same command goes on from there");
        return status;
    }
    out(text_of(line, answer->result));
    return done;
}

int run(ctl::CommandLine line) {
    if (line.command->local) return run_here(line);
    if (ctl::wants_password(line)) {
        if (const auto given = ctl::give_password(line); !given) {
            complain(given.error().log_text);
            return usage;
        }
    }
    const auto token = ctl::find_token(line.token, line.token_file);
    if (!token) {
        complain(token.error().log_text);
        return usage;
    }
    if (line.command->name == "store.import" || line.command->name == "store.export") return run_mail(line, *token);
    if (line.command->body) return run_long(line, *token);
    auto client = ctl::Client::connect(line.socket);
    if (!client) {
        if (const auto answer = ctl::without_server(line)) {
            if (const int status = status_of(*answer); status != done) return status;
            out(text_of(line, (*answer)->result));
            return done;
        }
        complain("the server cannot be reached: " + client.error().log_text);
        return unreachable;
    }
    client->use_token(*token);
    const auto list = make_printer(line);
    const auto show_part = [&](const control::Value::List& items) {
        out(list->part(items));
        std::fflush(stdout);
    };
    const bool timeline = line.command->shape == control::Shape::timeline && !line.json;  // is made of the whole
    const auto answer = client->call(std::string(line.command->name), line.args,
                                     timeline ? ctl::Client::Part() : ctl::Client::Part(show_part));
    if (const int status = status_of(answer); status != done) return status;
    if (timeline) {
        out(ctl::timeline(answer->result, answer->info));
    } else if (const auto* items = answer->result.items()) {
        out(list->part(*items));
        out(list->end(answer->info));
    } else {
        out(text_of(line, answer->result));
    }
    return found_nothing(answer->info) ? refused : done;
}

// `mailctl completion SHELL`
int print_completion_script(const std::vector<std::string>& words) {
    const auto script = ctl::completion_script(words.size() == 2 ? words[1] : "");
    if (script.empty()) {
        complain("completion is there for bash, fish and zsh: mailctl completion SHELL");
        return usage;
    }
    out(std::string(script));
    return done;
}

std::string time_now() { return base::format_time(base::SystemClock().wall()); }

// Each look is a conversation of its own: the server ends one that is silent for long.
int watch(const ctl::CommandLine& line) {
    const auto* interval = line.own.find("interval");
    const auto token = ctl::find_token(line.token, line.token_file);
    if (!token) return complain(token.error().log_text), usage;
    ctl::end_at_interrupt();
    for (bool first = true;; first = false) {
        auto client = ctl::Client::connect(line.socket);
        if (!client) return complain("the server cannot be reached: " + client.error().log_text), unreachable;
        client->use_token(*token);
        const auto answer = client->call(std::string(line.command->name), line.args);
        if (!answer) return complain(answer.error().log_text), unreachable;
        if (!answer->ok) return complain(answer->message), refused;
        const auto size = ctl::terminal_size();
        const auto text = time_now() + "\n" + ctl::show(answer->result);
        if (line.json)
            out(control::to_json(answer->result, false) + "\n");
        else if (size.rows > 0)
            out((first ? "\x1b[2J" : "") + ctl::screen(text, size));
        else
            out((first ? "" : "\n") + text);
        if (const int status = written(done); status != done) return status;
        ctl::pause_seconds(interval != nullptr ? static_cast<long>(*interval->integer()) : kInterval);
    }
}

// `mailctl complete WORD...`, which those scripts call: silent about what fails, it stands in the middle of a line.
int print_candidates(const std::vector<std::string>& words) {
    using Wanted = ctl::Completion::Wanted;
    auto completion = ctl::complete(std::span(words).subspan(1));
    if (completion.wanted == Wanted::files) out(":files\n");
    if (completion.wanted == Wanted::ids || completion.wanted == Wanted::domains) {
        auto client = ctl::Client::connect(completion.socket);
        const auto token = ctl::find_token(completion.token, completion.token_file);
        if (!client || !token) return done;
        client->use_token(*token);
        const auto answer = client->call("queue.list", control::Value::map().set("limit", kMaxOffered));
        if (answer && answer->ok) completion.candidates = ctl::known_to_queue(completion, answer->result);
    }
    for (const auto& candidate : completion.candidates) out(candidate.word + "\t" + candidate.help + "\n");
    return done;
}

}  // namespace

int main(int argc, char** argv) {
    const std::vector<std::string> words(argv + 1, argv + argc);
    if (!words.empty() && words[0] == "completion") return print_completion_script(words);
    if (!words.empty() && words[0] == "complete") return print_candidates(words);
    const auto line = ctl::parse_command_line(words);
    if (!line) {
        complain(line.error());
        return usage;
    }
    if (line->version) {
        out("mailctl " + std::string(base::version()) + "\n");
        return done;
    }
    if (line->command == nullptr) {
        out(ctl::help_text(line->help_for));
        return done;
    }
    return line->own.find("watch") != nullptr ? watch(*line) : written(run(*line));
}
