#include "ctl/password.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "base/fd.hpp"

namespace posthorn::ctl {
namespace {

constexpr std::size_t kLongest = 4096;

// The terminal does not show what is typed while one lives. Its interrupt keys end a line instead of the process, which
// would leave the terminal as it is here.
class Silence {
public:
    explicit Silence(int fd) : fd_(fd) {
        if (::tcgetattr(fd_, &before_) != 0) return;
        termios quiet = before_;
        quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO | ISIG);
        quiet.c_cc[VEOL] = before_.c_cc[VINTR];
        quiet.c_cc[VEOL2] = before_.c_cc[VQUIT];
        changed_ = ::tcsetattr(fd_, TCSAFLUSH, &quiet) == 0;
    }
    ~Silence() {
        if (changed_) ::tcsetattr(fd_, TCSAFLUSH, &before_);
    }
    Silence(const Silence&) = delete;
    Silence& operator=(const Silence&) = delete;

    // A key that would have ended or stopped the process.
    bool interrupts(char c) const {
        const auto is = [&](std::size_t key) {
            return before_.c_cc[key] != _POSIX_VDISABLE && c == static_cast<char>(before_.c_cc[key]);
        };
        return changed_ && (is(VINTR) || is(VQUIT) || is(VSUSP));
    }

private:
    int fd_;
    termios before_{};
    bool changed_ = false;
};

base::Result<std::string> read_line(int fd, const std::string& what, const Silence* terminal = nullptr) {
    std::string out;
    char c = 0;
    while (true) {
        const auto got = ::read(fd, &c, 1);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return base::fail_errno(what, errno);
        if (got == 0 || c == '\n') break;
        if (terminal != nullptr && terminal->interrupts(c))
            return base::fail(base::ErrorKind::permanent, "interrupted");
        if (out.size() >= kLongest) return base::fail(base::ErrorKind::permanent, what + ": the line is too long");
        out += c;
    }
    if (out.ends_with('\r')) out.pop_back();
    return out;
}

base::Result<std::string> ask(int terminal, std::string_view question) {
    const Silence silence(terminal);
    fmt::print(stderr, "{}", question);
    auto answer = read_line(terminal, "the terminal", &silence);
    fmt::print(stderr, "\n");
    return answer;
}

base::Result<std::string> ask_twice() {
    auto first = ask(STDIN_FILENO, "Password: ");
    if (!first) return first;
    const auto again = ask(STDIN_FILENO, "Once more: ");
    if (!again) return again;
    if (*first != *again) return base::fail(base::ErrorKind::permanent, "these were two different passwords");
    return first;
}

}  // namespace

bool wants_password(const CommandLine& line) {
    if (line.command == nullptr) return false;
    const auto takes = [](const control::Argument& arg) { return arg.secret && arg.name == "password"; };
    if (std::none_of(line.command->args.begin(), line.command->args.end(), takes)) return false;
    for (const char* other : {"generate", "no_password", "app", "remove_app"}) {
        if (line.args.find(other) != nullptr) return false;
    }
    return true;
}

base::Result<std::string> password_from(const std::string& file) {
    if (file == "-") return read_line(STDIN_FILENO, "standard input");
    const base::Fd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) return base::fail_errno(file, errno);
    return read_line(fd.get(), file);
}

base::Result<void> give_password(CommandLine& line) {
    const auto* file = line.own.find("password_file");
    auto password = file != nullptr               ? password_from(std::string(file->text()))
                    : ::isatty(STDIN_FILENO) == 1 ? ask_twice()
                                                  : password_from("-");
    if (!password) return std::unexpected(std::move(password.error()));
    if (password->empty()) return base::fail(base::ErrorKind::permanent, "an empty password is none");
    line.args.set("password", *std::move(password));
    return {};
}

}  // namespace posthorn::ctl
