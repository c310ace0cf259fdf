#include "readers/pop3/session.hpp"

#include "base/log.hpp"

namespace posthorn::pop3 {

using Kind = ServerAction::Kind;

void Session::report() const {
    base::log::info("pop3.session", {{"session_id", id_},
                                     {"client_ip", client_ip()},
                                     {"listener", settings_->name},
                                     {"account", account_.local.empty() ? std::string() : account_.text()},
                                     {"tls", machine_.tls()},
                                     {"messages", machine_.maildrop().last()},
                                     {"retrieved", machine_.retrieved()},
                                     {"bytes", machine_.octets()},
                                     {"deleted", deleted_},
                                     {"duration", seconds()},
                                     {"reason", machine_.ending()}});
}

net::Task<> Session::perform(ServerAction action) {
    // The maildrop is free before the client hears that the session is over: it may come back at once.
    if (lock_ && !machine_.ending().empty()) co_await over();
    switch (action.kind) {
        case Kind::read: co_await read(action.fresh, timeout(action.timeout)); break;
        case Kind::write:
            if (hurry_ && machine_.ending().empty()) {
                machine_.on_broken();
            } else {
                co_await write(action.bytes, timeout(action.timeout));
            }
            break;
        case Kind::start_tls: co_await shake_hands(); break;
        case Kind::login: co_await login(); break;
        case Kind::open: co_await open(); break;
        case Kind::message: co_await message(action.uid); break;
        case Kind::piece: co_await piece(); break;
        case Kind::update: co_await update(); break;
        case Kind::close: break;
    }
}

base::Duration Session::timeout(ServerTimeout which) const {
    switch (which) {
        case ServerTimeout::login: return limits().login;
        case ServerTimeout::idle: return limits().idle;
        case ServerTimeout::write: return limits().write;
    }
    return limits().idle;
}

}  // namespace posthorn::pop3
