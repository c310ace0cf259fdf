#include "server/signals.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <exception>
#include <initializer_list>
#include <string_view>

#include "spool/crash_note.hpp"

namespace posthorn::server {
namespace {

sigset_t set_of(std::initializer_list<int> signals) {
    sigset_t set;
    ::sigemptyset(&set);
    for (const int signal : signals) ::sigaddset(&set, signal);
    return set;
}

sigset_t waited_signals() { return set_of({SIGTERM, SIGINT, SIGHUP}); }

// Async-signal-safe.
void say(std::string_view text) {
    while (!text.empty()) {
        const auto sent = ::write(STDERR_FILENO, text.data(), text.size());
        if (sent <= 0) return;
        text.remove_prefix(static_cast<std::size_t>(sent));
    }
}

std::string_view signal_name(int signal) {
    switch (signal) {
        case SIGSEGV: return "SIGSEGV";
        case SIGBUS: return "SIGBUS";
        case SIGFPE: return "SIGFPE";
        case SIGILL: return "SIGILL";
        case SIGABRT: return "SIGABRT";
        default: return "a signal";
    }
}

extern "C" void on_crash(int signal) {
    const int saved = errno;
    spool::note_crash(signal);
    say("posthornd: died of ");
    say(signal_name(signal));
    say("; this is a fault of the server\n");
    errno = saved;
    ::raise(signal);  // SA_RESETHAND: the default action now, a core file included
}

[[noreturn]] void on_terminate() {
    if (const auto current = std::current_exception()) {
        try {
            std::rethrow_exception(current);
        } catch (const std::exception& e) {
            say("posthornd: uncaught exception: ");
            say(e.what());
            say("\n");
        } catch (...) {
            say("posthornd: uncaught exception\n");
        }
    }
    std::abort();
}

// A stack overflow leaves no room for the handler on the main thread's own stack.
alignas(16) std::array<char, std::size_t{64} << 10U> crash_stack;

}  // namespace

void open_standard_streams() {
    int fd = 0;
    do {
        fd = ::open("/dev/null", O_RDWR);  // the lowest one that is free
    } while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0) ::close(fd);
}

void take_descriptors() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

void block_signals() {
    const sigset_t set = waited_signals();
    ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
    std::signal(SIGPIPE, SIG_IGN);
    // The first process of a container inherits its orphans: the kernel is to bury them. We start no children.
    if (::getpid() == 1) std::signal(SIGCHLD, SIG_IGN);
}

Signal wait_signal(base::Duration limit) {
    // Of several that wait the kernel gives SIGHUP first: one after the other, they would keep off the end.
    const sigset_t ends = set_of({SIGTERM, SIGINT});
    constexpr timespec at_once{};
    if (::sigtimedwait(&ends, nullptr, &at_once) > 0) return Signal::stop;
    const sigset_t set = waited_signals();
    const auto seconds = std::chrono::floor<std::chrono::seconds>(limit);
    const timespec wait{.tv_sec = static_cast<std::time_t>(seconds.count()),
                        .tv_nsec = static_cast<long>((limit - seconds).count())};
    const int signal = ::sigtimedwait(&set, nullptr, &wait);
    if (signal == SIGHUP) return Signal::reload;
    return signal > 0 ? Signal::stop : Signal::none;
}

void install_crash_handlers() {
    stack_t stack{};
    stack.ss_sp = crash_stack.data();
    stack.ss_size = crash_stack.size();
    ::sigaltstack(&stack, nullptr);
    struct sigaction action{};
    action.sa_handler = on_crash;
    action.sa_flags = static_cast<int>(SA_RESETHAND | SA_NODEFER | SA_ONSTACK);
    ::sigemptyset(&action.sa_mask);
    for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}) ::sigaction(signal, &action, nullptr);
    std::set_terminate(on_terminate);
}

}  // namespace posthorn::server
