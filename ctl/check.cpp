#include "ctl/check.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "base/fd.hpp"
#include "base/json_value.hpp"
#include "base/utf8.hpp"

extern char** environ;

namespace posthorn::ctl {
namespace {

constexpr std::size_t kMaxOutput = std::size_t{4} << 20U;
constexpr std::size_t kMaxText = 2000;

std::string own_path() {
    std::array<char, 4096> buffer{};
    const auto size = ::readlink("/proc/self/exe", buffer.data(), buffer.size());
    return {buffer.data(), size > 0 ? static_cast<std::size_t>(size) : 0};
}

std::string find_program() {
    for (const auto& path : server_programs(own_path())) {
        if (::access(path.c_str(), X_OK) == 0) return path;
    }
    return "posthornd";
}

std::string read_all(int fd) {
    std::string out;
    std::array<char, 65536> buffer{};
    for (;;) {
        const auto got = ::read(fd, buffer.data(), buffer.size());
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0 || out.size() > kMaxOutput) return out;
        out.append(buffer.data(), static_cast<std::size_t>(got));
    }
}

// What it wrote, and its exit status.
std::expected<std::pair<std::string, int>, std::string> run(const std::vector<std::string>& words) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) return std::unexpected(std::strerror(errno));
    const base::Fd from(ends[0]);
    base::Fd to(ends[1]);
    std::vector<char*> argv;
    for (const auto& word : words) argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, to.get(), STDOUT_FILENO);
    pid_t child = 0;
    const int code = ::posix_spawnp(&child, argv[0], &actions, nullptr, argv.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    if (code != 0) return std::unexpected(fmt::format("cannot start {}: {}", words[0], std::strerror(code)));
    to = base::Fd();
    auto said = read_all(from.get());
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return std::pair(std::move(said), WIFEXITED(status) ? WEXITSTATUS(status) : -1);
}

std::string text(const control::Value& row, std::string_view name) {
    const auto* value = row.find(name);
    return base::printable(value != nullptr ? value->text() : "", kMaxText);
}

}  // namespace

std::vector<std::string> server_programs(const std::string& own_path) {
    std::vector<std::string> out;
    if (const auto slash = own_path.rfind('/'); slash != std::string::npos) {
        const auto folder = own_path.substr(0, slash);
        for (const char* beside : {"/posthornd", "/../sbin/posthornd", "/../server/posthornd"})
            out.push_back(folder + beside);
    }
    out.emplace_back("/usr/sbin/posthornd");
    out.emplace_back("/usr/local/sbin/posthornd");
    return out;
}

std::expected<std::pair<std::string, int>, std::string> run_server_program(std::string program,
                                                                           std::vector<std::string> words) {
    words.insert(words.begin(), program.empty() ? find_program() : std::move(program));
    return run(words);
}

std::expected<Checked, std::string> run_check(std::string program, const std::string& config) {
    if (program.empty()) program = find_program();
    std::vector<std::string> words{std::move(program), "--check", "--json"};
    if (!config.empty()) words.insert(words.end(), {"--config", config});
    const auto ran = run(words);
    if (!ran) return std::unexpected(ran.error());
    const auto json = base::read_json(ran->first);
    const auto* list = json ? json->array() : nullptr;
    if (list == nullptr || ran->second < 0 || ran->second > 1)
        return std::unexpected(fmt::format("{} --check does not answer as it should", words[0]));
    Checked out{.findings = control::Value::list(), .wrong = ran->second == 1};
    for (const auto& row : *list) {
        auto one = control::Value::map();
        for (const char* name : {"check", "status", "what", "remedy"}) {
            const auto* member = row[name].string();
            one.set(name, member != nullptr ? *member : std::string());
        }
        out.findings.add(std::move(one));
    }
    return out;
}

std::string show_findings(const control::Value& findings, bool colour) {
    std::string out;
    for (const auto& row : *findings.items()) {
        const auto status = text(row, "status");
        const auto remedy = text(row, "remedy");
        const char* before = !colour || status == "ok" ? "" : status == "wrong" ? "\x1b[31m" : "\x1b[33m";
        out += fmt::format("{}{:<8}{} {:<12} {}\n", before, status, *before != '\0' ? "\x1b[0m" : "",
                           text(row, "check"), text(row, "what"));
        if (!remedy.empty()) out += fmt::format("{:<21} -> {}\n", "", remedy);
    }
    return out;
}

}  // namespace posthorn::ctl
