// What answers a command of the table. Handlers are coroutines of the admin loop; they never block it.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/result.hpp"
#include "control/protocol/value.hpp"
#include "net/loop.hpp"
#include "net/task.hpp"

namespace posthorn::control {

// How long an answer may be silent: its client gives up after kSilenceSeconds.
inline constexpr base::Duration kSignOfLife = std::chrono::seconds(5);

// A long list as it is found: nobody holds the whole of it. Lives on the admin loop, as the conversation does.
class Parts {
public:
    virtual ~Parts() = default;
    // The next items, a list; an empty one is a sign of life, due within a few seconds. Nothing: that was all.
    virtual net::Task<base::Result<std::optional<Value>>> next(net::Loop& loop) = 0;
    virtual Value info() const = 0;  // after the last
};

struct Reply {
    Value result;
    Value info;                      // beside a list: what is to say about it as a whole
    std::shared_ptr<Parts> parts{};  // null, or what follows the list in `result`; then `info` is not looked at
    std::string refused{};           // not empty: why it was not done; the rest is not looked at
    std::function<void()> after{};   // runs once the answer was sent
};

// What follows the first frame of a long request: nobody holds the whole of it. Lives as long as its handler.
class Incoming {
public:
    virtual ~Incoming() = default;
    // The items of the next frame; none are a sign of life. Nothing: that was the last. An error is the client's: it has
    // gone, is silent, or sends what is no part of a request.
    virtual net::Task<base::Result<std::optional<Value::List>>> next() = 0;
    virtual unsigned uid() const = 0;  // whose request it is
};

// Arguments have been checked against the table. A permanent error is "not found", a protocol error "bad request",
// a temporary one "busy", an internal one "failed"; its log_text is what the operator reads.
using Handler = std::function<net::Task<base::Result<Reply>>(net::Loop& loop, Value args)>;
using Handlers = std::map<std::string, Handler, std::less<>>;

// Of a command that takes a long request (Command::body). What it leaves unread ends the conversation.
using LongHandler = std::function<net::Task<base::Result<Reply>>(net::Loop& loop, Value args, Incoming& incoming)>;
using LongHandlers = std::map<std::string, LongHandler, std::less<>>;

template <class Commands>
using NamedMethod =
    std::pair<const char*, net::Task<base::Result<Reply>> (Commands::*)(net::Loop& loop, Value args) const>;

// A handler for each method of one object, which they share. It is no coroutine itself: it makes one of a named method,
// which outlives no handler.
template <class Commands, std::size_t Count>
Handlers handlers_of(const std::shared_ptr<Commands>& commands, const NamedMethod<Commands> (&methods)[Count]) {
    Handlers handlers;
    for (const auto& [name, method] : methods) {
        handlers[name] = [commands, m = method](net::Loop& loop, Value args) {
            return ((*commands).*m)(loop, std::move(args));
        };
    }
    return handlers;
}

}  // namespace posthorn::control
