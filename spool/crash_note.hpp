// The last words of a crashing process: which fault ended it, written beside the message in hand.
#pragma once

namespace posthorn::spool {

// Writes `signal` into the slot of the loop whose thread this is, if a message is in hand there (see
// Queue::set_in_hand). Async-signal-safe. server/ calls it from its handlers of SIGSEGV, SIGBUS, SIGFPE, SIGILL and
// SIGABRT (std::terminate ends in abort()); nobody can call it for SIGKILL, so that a message is never blamed for
// the OOM killer or an impatient operator. The next start counts the crashes of each message and puts the third
// time's aside.
void note_crash(int signal) noexcept;

}  // namespace posthorn::spool
