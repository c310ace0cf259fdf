// Questions and orders to the owners, from the loop of whoever has them.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "net/loop.hpp"
#include "net/task.hpp"

namespace posthorn::delivery {

// Runs `fn` on another loop; resumes on `from` with its answer.
template <class R>
net::Task<R> ask(net::Loop& from, net::Loop& to, std::function<R()> fn) {
    struct Box {
        explicit Box(net::Loop& loop) : event(loop) {}
        std::optional<R> value;
        net::Event event;
    };
    auto box = std::make_shared<Box>(from);
    to.post([box, fn = std::move(fn), &from]() mutable {
        R value = fn();
        from.post([box = std::move(box), value = std::move(value)]() mutable {
            box->value.emplace(std::move(value));
            box->event.notify_all();
        });
    });
    while (!box->value) co_await box->event.wait();
    R value = std::move(*box->value);
    co_return value;
}

}  // namespace posthorn::delivery
