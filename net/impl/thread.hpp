#pragma once

#include <functional>
#include <string>
#include <thread>

namespace posthorn::net::impl {

// A thread with a name (15 bytes of it reach the kernel) that takes no signals: those are the main thread's.
std::thread start_thread(const std::string& name, std::move_only_function<void()> body);

}  // namespace posthorn::net::impl
