// The server's SASL machines under arbitrary octets. The first octet chooses mechanism and context, 0xFF separates
// messages; the answer to a lookup follows from the name. Holds: it never throws, it ends, what it asks for is in
// bounds, and nothing that was denied or not proved ends in Done.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "proto/sasl/server.hpp"

using namespace posthorn::sasl;

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

struct Answerer {
    Server& server;
    bool denied = false;

    Step operator()(const NeedPassword& need) {
        require(!need.user.empty() && need.user.size() <= kMaxName && !need.password.empty());
        return answer(need.user);
    }
    Step operator()(const NeedToken& need) {
        require(need.user.size() <= kMaxName && !need.token.empty() && need.token.size() <= kMaxSecret);
        return answer(need.user);
    }
    Step operator()(const NeedExternal& need) {
        require(need.user.size() <= kMaxName);
        return answer(need.user);
    }
    Step operator()(const NeedSecret& need) {
        require(!need.user.empty() && need.user.size() <= kMaxName);
        const std::size_t size = need.hash == ScramHash::sha_1 ? 20 : 32;
        return server.secret({"salt", 4096, std::string(size, 's'), std::string(size, 'k')});
    }
    Step operator()(const NeedVerdict& need) {
        denied = denied || !need.proved;
        return server.grant();
    }
    template <class Other>
    Step operator()(const Other&) {
        std::abort();
    }

private:
    Step answer(std::string_view user) {
        if (!user.starts_with("no")) return server.grant();
        denied = true;
        return server.deny();
    }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 1) return 0;
    std::string_view wire(reinterpret_cast<const char*>(data) + 1, size - 1);
    const auto mechanism = static_cast<Mechanism>(data[0] & 7);
    const auto server = make_server(mechanism, {.tls_exporter = (data[0] & 8) != 0 ? std::string(32, 'x') : "",
                                                .plus_offered = (data[0] & 8) != 0});
    const auto take = [&wire] {
        const auto message = wire.substr(0, wire.find('\xff'));
        wire.remove_prefix(std::min(wire.size(), message.size() + 1));
        return message;
    };
    Answerer answerer{*server};
    auto step = (data[0] & 16) != 0 ? server->start(std::nullopt) : server->start(take());
    for (int steps = 0;; ++steps) {
        require(steps < 10);
        if (std::holds_alternative<Failed>(step)) return 0;
        if (std::holds_alternative<Done>(step)) {
            require(!answerer.denied);
            return 0;
        }
        if (std::holds_alternative<Challenge>(step)) {
            step = server->respond(take());
        } else {
            step = std::visit(answerer, step);
        }
    }
}
