#include "readers/imap/session.hpp"

#include "base/log.hpp"
#include "net/deflate_stream.hpp"

namespace posthorn::imap {
namespace {

using Kind = ServerAction::Kind;

// Responses go out in pieces of at least this size while a command runs.
constexpr std::size_t kPiece = 64 * 1024;

}  // namespace

Session::Session(Worker& worker, std::shared_ptr<const Settings> settings, std::unique_ptr<net::Stream> stream)
    : readers::Session<Protocol>(worker, std::move(settings), std::move(stream)),
      told_(worker.loop),
      appending_(nullptr, [](Appending*) {}) {}

void Session::report() const {
    base::log::info("imap.session", {{"session_id", id_},
                                     {"client_ip", client_ip()},
                                     {"listener", settings_->name},
                                     {"account", account_.local.empty() ? std::string() : account_.text()},
                                     {"tls", machine_.tls()},
                                     {"commands", commands_},
                                     {"duration", seconds()},
                                     {"reason", machine_.ending()}});
}

void Session::gone() {
    subscription_.reset();
    appending_.reset();
}

net::Task<> Session::perform(ServerAction action) {
    switch (action.kind) {
        case Kind::read:
            // What happened while nobody looked is told as soon as IDLE begins.
            if (action.idle && news_ && !hurry_) begin_telling();
            co_await read(action.fresh, timeout(action.timeout));
            while (writing_beside_) co_await told_.wait();  // one write at a time
            break;
        case Kind::write:
            if (lost_ || (hurry_ && machine_.ending().empty())) {
                machine_.on_broken();
            } else {
                co_await write(action.bytes, timeout(action.timeout));
            }
            break;
        case Kind::start_tls: co_await shake_hands(); break;
        case Kind::compress:
            stream_ = net::make_deflate_stream(std::move(stream_));
            machine_.on_compressed();
            break;
        case Kind::login: co_await login(); break;
        case Kind::run: co_await run_command(); break;
        case Kind::append: co_await append(action); break;
        case Kind::piece: co_await append_piece(std::string(action.bytes)); break;
        case Kind::close: break;
    }
}

base::Duration Session::timeout(ServerTimeout which) const {
    switch (which) {
        case ServerTimeout::login: return limits().login;
        case ServerTimeout::idle: return limits().idle;
        case ServerTimeout::command: return limits().command;
        case ServerTimeout::write: return limits().write;
    }
    return limits().idle;
}

bool Session::cut_short() {
    lost_ = lost_ || hurry_;
    return lost_;
}

net::Task<bool> Session::flush() {
    if (cut_short()) co_return false;
    if (out().size() < kPiece) co_return true;
    lost_ = !co_await send(out(), limits().write);
    out().clear();
    co_return !lost_;
}

}  // namespace posthorn::imap
