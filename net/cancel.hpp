// How something under way is told to end early. Lives on one loop; held by who may end it and by who does it.
#pragma once

#include <functional>
#include <utility>

namespace posthorn::net {

class Cancel {
public:
    // Ends what is under way now; what begins later ends at once. Own thread only.
    void request() {
        requested_ = true;
        if (auto end = std::exchange(end_, nullptr)) end();
    }
    bool requested() const { return requested_; }
    // How to end what is under way from now on, one thing at a time; null: there is nothing. It is called once at
    // most, from request() only.
    void set(std::move_only_function<void()> end) { end_ = std::move(end); }

private:
    std::move_only_function<void()> end_;
    bool requested_ = false;
};

}  // namespace posthorn::net
