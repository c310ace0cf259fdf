// What the mechanisms that speak in one or two messages share.
#pragma once

#include <stdexcept>
#include <string_view>

#include "proto/sasl/server.hpp"

namespace posthorn::sasl {

// Non-empty UTF-8 without NUL, in bounds.
bool sound_name(std::string_view name);
bool sound_secret(std::string_view secret);

// Appends what a saslname stands for (RFC 5801 §4, RFC 5802 §5.1): "=2C" is a comma, "=3D" an equals sign. False: it is
// none.
bool decode_saslname(std::string_view text, std::string& out);

inline Step malformed() { return Failed{Failed::Why::malformed}; }
inline Step refused() { return Failed{Failed::Why::refused}; }

// Which call may come next.
enum class Turn : std::uint8_t { start, response, lookup, over };

class SimpleServer : public Server {
public:
    Step start(std::optional<std::string_view> initial) final;
    Step respond(std::string_view response) final;
    Step grant() final;
    Step deny() final;

protected:
    // What the server says when the client waits for it to begin.
    virtual std::string first_challenge() const { return {}; }
    virtual Step on_response(std::string_view response) = 0;
    virtual Step on_denied() { return refused(); }

private:
    Step after(Step step);
    void expect(Turn turn);
    Turn turn_ = Turn::start;
};

std::unique_ptr<Server> make_plain();
std::unique_ptr<Server> make_login();
std::unique_ptr<Server> make_external();
std::unique_ptr<Server> make_oauthbearer(std::string scope);
std::unique_ptr<Server> make_xoauth2();
std::unique_ptr<Server> make_scram(Mechanism mechanism, ServerContext context);

}  // namespace posthorn::sasl
