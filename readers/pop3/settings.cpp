#include "readers/pop3/worker.hpp"

namespace posthorn::pop3 {

ServerOptions Protocol::options(const Pop3Config& limits) {
    ServerOptions options;
    options.login_delay = limits.login_delay;
    options.expire = limits.expire;
    return options;
}

}  // namespace posthorn::pop3
