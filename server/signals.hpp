// What the process has from its surroundings: standard streams, signals as events of the main thread, and the last
// words of a crash.
#pragma once

#include "base/clock.hpp"

namespace posthorn::server {

enum class Signal : unsigned char { none, stop, reload };

// Descriptors 0 to 2 that whoever started us has closed become /dev/null: the next file or socket would be given the
// number, and our log lines with it. Before anything is opened.
void open_standard_streams();

// Raises the limit of open descriptors to what we are allowed: the usual one is for programs that watch them with
// select(), and far below max_connections.
void take_descriptors();

// Keeps SIGTERM, SIGINT and SIGHUP from every thread but wait_signal(), ignores SIGPIPE and, as process 1,
// SIGCHLD. Before any thread starts.
void block_signals();

// The next signal, ends before reloads; none when `limit` has passed. Main thread.
Signal wait_signal(base::Duration limit);

// For faults of our own (SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, std::terminate): notes which message was in hand
// (spool/crash_note.hpp), writes a line to standard error, and lets the process die of the signal.
void install_crash_handlers();

}  // namespace posthorn::server
