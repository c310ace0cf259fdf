// PLAIN (RFC 4616), LOGIN and EXTERNAL (RFC 4422 appendix A).
#include "base/ascii.hpp"
#include "base/utf8.hpp"
#include "proto/sasl/simple.hpp"

namespace posthorn::sasl {
namespace {

// [authzid] NUL authcid NUL password
class Plain final : public SimpleServer {
    Step on_response(std::string_view response) override {
        const auto first = response.find('\0');
        if (first == std::string_view::npos) return malformed();
        const auto second = response.find('\0', first + 1);
        if (second == std::string_view::npos) return malformed();
        const auto authzid = response.substr(0, first);
        const auto user = response.substr(first + 1, second - first - 1);
        const auto password = response.substr(second + 1);
        if (!sound_name(user) || !sound_secret(password)) return malformed();
        if (!authzid.empty() && !sound_name(authzid)) return malformed();
        // Nobody may act for another.
        if (!authzid.empty() && !base::iequals(authzid, user)) return refused();
        return NeedPassword{std::string(user), std::string(password)};
    }
};

// Asks for the name, then for the password; what it asks is shown by some clients.
class Login final : public SimpleServer {
public:
    ~Login() override { wipe(user_); }

private:
    std::string first_challenge() const override { return "Username:"; }

    Step on_response(std::string_view response) override {
        if (user_.empty()) {
            if (!sound_name(response)) return malformed();
            user_ = response;
            return Challenge{"Password:"};
        }
        if (!sound_secret(response)) return malformed();
        return NeedPassword{std::move(user_), std::string(response)};
    }

    std::string user_;
};

class External final : public SimpleServer {
    Step on_response(std::string_view response) override {
        if (!response.empty() && !sound_name(response)) return malformed();
        return NeedExternal{std::string(response)};
    }
};

}  // namespace

std::unique_ptr<Server> make_plain() { return std::make_unique<Plain>(); }
std::unique_ptr<Server> make_login() { return std::make_unique<Login>(); }
std::unique_ptr<Server> make_external() { return std::make_unique<External>(); }

}  // namespace posthorn::sasl
