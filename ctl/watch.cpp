#include "ctl/watch.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <ctime>
#include <vector>

namespace posthorn::ctl {
namespace {

constexpr std::string_view kHome = "\x1b[H";
constexpr std::string_view kClearLine = "\x1b[K";
constexpr std::string_view kClearBelow = "\x1b[J";

bool continues(char c) { return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U; }

// The first `columns` characters.
std::string_view cut(std::string_view line, std::size_t columns) {
    std::size_t at = 0;
    for (std::size_t seen = 0; at < line.size(); ++at) {
        if (!continues(line[at]) && seen++ == columns) break;
    }
    return line.substr(0, at);
}

extern "C" void on_interrupt(int) { ::_exit(0); }

}  // namespace

std::string screen(std::string_view text, TerminalSize size) {
    std::vector<std::string_view> lines;
    while (!text.empty()) {
        const auto end = std::min(text.find('\n'), text.size());
        lines.push_back(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    // The last row is the cursor's.
    const std::size_t room = std::max<std::size_t>(size.rows, 3) - 1;
    std::string more;
    if (lines.size() > room) {
        more = fmt::format("({} more lines)", lines.size() - room + 1);
        lines.resize(room - 1);
        lines.push_back(more);
    }
    std::string out(kHome);
    for (const auto line : lines) {
        out += cut(line, size.columns);
        out += kClearLine;
        out += '\n';
    }
    return out += kClearBelow;
}

TerminalSize terminal_size() {
    if (::isatty(STDOUT_FILENO) != 1) return {};
    winsize size{};
    if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0 || size.ws_col == 0) return {24, 80};
    return {size.ws_row, size.ws_col};
}

void end_at_interrupt() {
    struct sigaction action{};
    action.sa_handler = on_interrupt;
    ::sigemptyset(&action.sa_mask);
    for (const int signal : {SIGINT, SIGTERM}) ::sigaction(signal, &action, nullptr);
}

void pause_seconds(long seconds) {
    const timespec wait{.tv_sec = seconds, .tv_nsec = 0};
    ::nanosleep(&wait, nullptr);
}

}  // namespace posthorn::ctl
