// One c-ares channel on one loop: its sockets are watched by the loop, its time-outs are a timer of the loop.
#pragma once

#include <ares.h>

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>

#include "base/result.hpp"
#include "net/dns.hpp"
#include "net/dns_message.hpp"
#include "net/loop.hpp"

namespace posthorn::net::impl {

class DnsChannel {
public:
    // A response, or (empty) a status of c-ares that tells why there is none.
    using Done = std::move_only_function<void(int status, std::span<const std::uint8_t> message)>;

    // Any thread, before the loop starts or on it. `skip_failing`: a server that answers SERVFAIL, NOTIMP or
    // REFUSED is passed over for the next one; when none is left, c-ares 1.18 says ARES_ECONNREFUSED, as it
    // does when nobody listens.
    static base::Result<std::unique_ptr<DnsChannel>> make(Loop& loop, const DnsConfig& config, bool skip_failing);
    // After the loop has stopped, or on it. Questions under way are dropped, their `done` uncalled.
    ~DnsChannel();
    DnsChannel(const DnsChannel&) = delete;
    DnsChannel& operator=(const DnsChannel&) = delete;

    // Own thread. `done` runs on the loop, maybe before ask() returns.
    void ask(const std::string& name, DnsType type, Done done);

private:
    struct Watch;
    explicit DnsChannel(Loop& loop) : loop_(loop) {}
    static void on_socket(void* self, ares_socket_t fd, int readable, int writable);
    void watch(ares_socket_t fd, bool readable, bool writable);
    void wait_for(const std::shared_ptr<Watch>& watch, bool readable);
    void process(ares_socket_t readable, ares_socket_t writable);
    void arm();

    Loop& loop_;
    ares_channel channel_ = nullptr;
    std::unordered_map<ares_socket_t, std::shared_ptr<Watch>> watches_;
    TimerId timer_ = 0;
};

}  // namespace posthorn::net::impl
