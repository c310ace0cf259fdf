// The coroutine type of every async port from this floor up. The one header that includes Asio's awaitable.
#pragma once

#include <boost/asio/awaitable.hpp>

namespace posthorn::net {

// Starts when awaited; runs on the loop of its awaiter; the frame owns its arguments (pass by value).
template <class T = void>
using Task = boost::asio::awaitable<T>;

}  // namespace posthorn::net
