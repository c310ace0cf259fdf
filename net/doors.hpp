// The listeners of one service, each with the settings its new connections get: bound together, reloaded together.
// Main thread but for accepting(), endpoints(), each() and stop(). The accepted connections run on the loops' threads.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "base/guarded.hpp"
#include "base/result.hpp"
#include "net/listener.hpp"

namespace posthorn::net {

enum class ListenerTls : std::uint8_t { none, starttls, implicit };

// Where a service listens.
struct DoorConfig {
    Endpoint address;
    unsigned unix_mode = 0660;  // of a Unix socket
    std::string unix_group;     // empty: unchanged
    ListenerTls tls = ListenerTls::starttls;
};

template <class Settings>
class Doors {
public:
    using Shared = std::shared_ptr<const Settings>;
    struct Plan {
        Endpoint at;
        ListenOptions options{};
        std::function<Shared(const Endpoint& bound)> settings;  // for where it really listens
    };
    // An error where TLS from the first octet is wanted and there is no certificate.
    static base::Result<Plan> plan(const DoorConfig& at, bool has_certificate,
                                   std::function<Shared(const Endpoint& bound)> settings) {
        if (at.tls == ListenerTls::implicit && !has_certificate)
            return base::fail(base::ErrorKind::permanent, at.address.to_string() + ": TLS without a certificate");
        return Plan{.at = at.address,
                    .options = {.unix_mode = at.unix_mode, .unix_group = at.unix_group},
                    .settings = std::move(settings)};
    }

    using OnAccept = std::function<void(const Shared& settings, Loop& loop, std::unique_ptr<Stream> stream)>;

    // Doors that stay (same address) get new settings for new connections, new ones are bound, others stop. All or
    // nothing: the error names what could not be bound.
    base::Result<void> open(std::vector<Plan> plans) {
        std::vector<std::unique_ptr<Door>> fresh;
        std::vector<std::pair<Door*, const Plan*>> kept;
        for (const auto& plan : plans) {
            if (auto* door = find(plan.at, kept)) {
                kept.emplace_back(door, &plan);
                continue;
            }
            auto bound = bind_listener(plan.at, plan.options);
            if (!bound) return std::unexpected(bound.error());
            auto door = std::make_unique<Door>();
            door->asked = plan.at;
            door->listener = std::move(*bound);
            door->settings = std::make_shared<Current>(plan.settings(door->listener->local()));
            fresh.push_back(std::move(door));
        }
        replace(std::move(fresh), kept);
        return {};
    }

    void start(LoopGroup& loops, OnAccept on_accept) {
        const std::lock_guard lock(mutex_);
        loops_ = &loops;
        on_accept_ = std::move(on_accept);
        for (auto& door : doors_) start(*door);
    }

    void stop() {
        const std::lock_guard lock(mutex_);
        for (auto& door : doors_) door->listener->stop();
    }

    // True where there is nothing to listen at.
    bool accepting() const {
        const std::lock_guard lock(mutex_);
        return std::ranges::all_of(doors_, [](const auto& door) { return door->listener->accepting(); });
    }
    // With the ports the OS chose.
    std::vector<Endpoint> endpoints() const {
        std::vector<Endpoint> out;
        each([&out](const Shared&, const Endpoint& at) { out.push_back(at); });
        return out;
    }
    // `fn(settings, local)` for each door, in their order.
    template <class Fn>
    void each(Fn fn) const {
        const std::lock_guard lock(mutex_);
        for (const auto& door : doors_)
            fn(door->settings->with([](auto& current) { return current; }), door->listener->local());
    }

private:
    // Not an atomic shared_ptr: libstdc++ 12 races in its load.
    using Current = base::Guarded<Shared>;
    struct Door {
        Endpoint asked;  // as configured: port 0 stays 0
        std::unique_ptr<Listener> listener;
        std::shared_ptr<Current> settings;
    };
    using Kept = std::vector<std::pair<Door*, const Plan*>>;

    Door* find(const Endpoint& at, const Kept& kept) const {
        for (const auto& door : doors_) {
            const auto taken = [&](const auto& pair) { return pair.first == door.get(); };
            if (door->asked == at && std::ranges::none_of(kept, taken)) return door.get();
        }
        return nullptr;
    }

    // Nothing can fail any more.
    void replace(std::vector<std::unique_ptr<Door>> fresh, const Kept& kept) {
        const std::lock_guard lock(mutex_);
        for (const auto& [door, plan] : kept) {
            auto settings = plan->settings(door->listener->local());
            door->settings->with([&](auto& current) { current = std::move(settings); });
        }
        std::erase_if(doors_, [&](const auto& door) {
            const bool keep = std::ranges::any_of(kept, [&](const auto& pair) { return pair.first == door.get(); });
            if (!keep) door->listener->stop();
            return !keep;
        });
        for (auto& door : fresh) {
            if (loops_ != nullptr) start(*door);
            doors_.push_back(std::move(door));
        }
    }

    void start(Door& door) {
        door.listener->start(
            *loops_, [accept = on_accept_, settings = door.settings](Loop& loop, std::unique_ptr<Stream> stream) {
                accept(settings->with([](auto& current) { return current; }), loop, std::move(stream));
            });
    }

    mutable std::mutex mutex_;  // open() changes what a health check looks at
    std::vector<std::unique_ptr<Door>> doors_;
    LoopGroup* loops_ = nullptr;
    OnAccept on_accept_;
};

}  // namespace posthorn::net
