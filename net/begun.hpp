// A call that is begun now and waited for later, so that what is wanted next is got while something else goes on. Of one
// loop. Dropped, the call still happens and nobody hears of it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/result.hpp"
#include "net/loop.hpp"
#include "net/task.hpp"

namespace posthorn::net {

template <class T>
class Begun {
public:
    // `task` owns what it works on, as with spawn().
    Begun(Loop& loop, std::string name, Task<base::Result<T>> task) : state_(std::make_shared<State>(loop)) {
        spawn(loop, std::move(name), run(std::move(task), state_), [state = state_] {
            state->over = true;
            state->ended.notify_all();
        });
    }

    // Once.
    Task<base::Result<T>> get() { return wait(std::move(state_)); }

private:
    struct State {
        explicit State(Loop& loop) : ended(loop) {}
        Event ended;
        bool over = false;
        std::optional<base::Result<T>> result;  // none, though it is over: an exception, which spawn() has logged
    };

    static Task<> run(Task<base::Result<T>> task, std::shared_ptr<State> state) {
        auto result = co_await std::move(task);
        state->result.emplace(std::move(result));
    }

    static Task<base::Result<T>> wait(std::shared_ptr<State> state) {
        while (!state->over) co_await state->ended.wait();
        if (!state->result) co_return base::fail(base::ErrorKind::internal, "what was begun did not end well");
        co_return *std::move(state->result);
    }

    std::shared_ptr<State> state_;
};

}  // namespace posthorn::net
