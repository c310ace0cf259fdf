// mailctl: a person's hand on the running server. Everything it knows of commands is in the command table.
#include <cstdio>
#include <string>
#include <vector>

#include "base/version.hpp"
#include "ctl/client.hpp"
#include "ctl/command_line.hpp"
#include "ctl/show.hpp"
#include "ctl/timeline.hpp"

namespace {

using namespace posthorn;

enum Exit : int { done = 0, refused = 1, usage = 2, unreachable = 3 };

void out(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stdout); }
void complain(const std::string& text) { std::fprintf(stderr, "mailctl: %s\n", text.c_str()); }

int run(const ctl::CommandLine& line) {
    auto client = ctl::Client::connect(line.socket);
    if (!client) {
        complain("the server cannot be reached: " + client.error().log_text);
        return unreachable;
    }
    ctl::ListShow list(line.json);
    const auto show_part = [&](const control::Value::List& items) {
        out(list.part(items));
        std::fflush(stdout);
    };
    const bool timeline = line.command->shape == control::Shape::timeline && !line.json;  // is made of the whole
    const auto answer = client->call(std::string(line.command->name), line.args,
                                     timeline ? ctl::Client::Part() : ctl::Client::Part(show_part));
    if (!answer) {
        complain(answer.error().log_text);
        return unreachable;
    }
    if (!answer->ok) {
        complain(answer->message);
        return answer->code == "bad_request" ? usage : refused;
    }
    if (timeline) {
        out(ctl::timeline(answer->result, answer->info));
    } else if (const auto* items = answer->result.items()) {
        out(list.part(*items));
        out(list.end(answer->info));
    } else {
        out(line.json ? control::to_json(answer->result, true) + "\n" : ctl::show(answer->result));
    }
    return done;
}

}  // namespace

int main(int argc, char** argv) {
    const std::vector<std::string> words(argv + 1, argv + argc);
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
    return run(*line);
}
