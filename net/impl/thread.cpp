#include "net/impl/thread.hpp"

#include <pthread.h>

#include <csignal>

namespace posthorn::net::impl {

std::thread start_thread(const std::string& name, std::move_only_function<void()> body) {
    // The mask is inherited: set before the thread exists, no signal slips in between. Faults stay with the
    // thread that made them.
    sigset_t blocked;
    sigset_t before;
    sigfillset(&blocked);
    for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT}) sigdelset(&blocked, fault);
    pthread_sigmask(SIG_SETMASK, &blocked, &before);
    std::thread thread(std::move(body));
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    pthread_setname_np(thread.native_handle(), name.substr(0, 15).c_str());
    return thread;
}

}  // namespace posthorn::net::impl
