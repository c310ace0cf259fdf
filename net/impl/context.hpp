#pragma once

#include <boost/asio/io_context.hpp>

namespace posthorn::net::impl {

// Opens the shutdown of an io_context, so that all loops let go of their coroutines before any of them dies.
class Context final : public boost::asio::io_context {
public:
    Context() : io_context(1) {}
    using execution_context::shutdown;
};

}  // namespace posthorn::net::impl
