#pragma once

#include <boost/asio/io_context.hpp>

namespace posthorn::net::impl {

// Opens the shutdown of an io_context, so that all loops let go of their coroutines before any of them dies. May be
// called again: a coroutine that dies leaves the end of its frame in the context.
class Context final : public boost::asio::io_context {
public:
    Context() : io_context(1) {}
    using execution_context::shutdown;
};

// Loops that are abandoned: what dies on one may post to another, and leave frames in its context, so none of them may
// have died before. Two rounds without anything buried, for what the last round left in contexts it had been through.
template <class Loops>
void bury(const Loops& loops) {
    for (int quiet = 0; quiet < 2; ++quiet) {
        for (const auto& loop : loops) {
            if (loop->clear_buried()) quiet = -1;
        }
    }
}

}  // namespace posthorn::net::impl
