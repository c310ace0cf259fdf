// The one way a coroutine of net/ waits: it suspends, hands `start` a resumer, and goes on where (on whichever
// thread) the resumer is called. No frame of its own. The resumer must be called at most once; destroying it
// uncalled unwinds the coroutine.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/execution/context.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/query.hpp>
#include <utility>

#include "net/loop.hpp"

namespace posthorn::net::impl {

// auto op = suspend<int>([&](auto resume) { keep(std::move(resume)); });
// const int value = co_await std::move(op);
// `start` runs after the suspension, so that the resumer may be called at once, also from another thread.
template <class T, class Start>
auto suspend(Start start) {
    return boost::asio::async_initiate<const boost::asio::deferred_t, void(T)>(std::move(start),
                                                                               boost::asio::deferred);
}

using IoExecutor = boost::asio::io_context::executor_type;

// Both kinds of loop stand on an io_context.
inline boost::asio::io_context& context_of(Loop& loop) {
    const auto executor = loop.executor();
    return boost::asio::query(*executor.target<IoExecutor>(), boost::asio::execution::context);
}

}  // namespace posthorn::net::impl
