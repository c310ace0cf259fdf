#include "control/server.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <vector>

#include "base/guarded.hpp"
#include "base/log.hpp"
#include "control/protocol/frame.hpp"
#include "net/stream.hpp"

namespace posthorn::control {
namespace {

constexpr auto kSilence = std::chrono::seconds(kSilenceSeconds);
// A frame of a long list is closed at this size, so that one item more passes kMaxFrame only if it is huge itself.
constexpr std::size_t kFrameTarget = std::size_t{128} << 10U;
constexpr std::size_t kReadSize = 4096;

std::string_view code_of(base::ErrorKind kind) {
    switch (kind) {
        case base::ErrorKind::temporary: return "busy";
        case base::ErrorKind::permanent: return "not_found";
        case base::ErrorKind::protocol: return "bad_request";
        case base::ErrorKind::internal: return "failed";
    }
    return "failed";
}

std::string refusal(std::int64_t id, std::string_view code, std::string message) {
    return encode_answer({.id = id, .ok = false, .code = std::string(code), .message = std::move(message)});
}

// The frames of an answer; a long list is cut into several. `more`: others follow.
std::vector<std::string> frames_of(std::int64_t id, Reply reply, bool more = false) {
    std::vector<std::string> out;
    if (auto* list = reply.result.items()) {
        Value::List part;
        std::size_t size = 0;
        for (Value& item : *list) {
            const auto item_size = encode(item).size();
            if (size > 0 && size + item_size > kFrameTarget) {
                out.push_back(encode_answer({.id = id, .result = std::move(part), .more = true}));
                part = {};
                size = 0;
            }
            size += item_size;
            part.push_back(std::move(item));
        }
        reply.result = std::move(part);
    }
    out.push_back(
        encode_answer({.id = id, .result = std::move(reply.result), .info = std::move(reply.info), .more = more}));
    for (const auto& body : out) {
        if (body.size() > kMaxFrame) return {refusal(id, "failed", "the answer is too long for a frame")};
    }
    return out;
}

net::Task<bool> send(net::Stream& stream, std::string body) {
    const std::string bytes = frame(body);
    const auto deadline = stream.loop().now() + kSilence;
    const net::IoResult written = co_await stream.write(std::string_view(bytes), deadline);
    co_return written.ok();
}

enum class Got : std::uint8_t { frame, garbage, end };

// The next frame, or why there is none. The time limit is for the whole frame: a trickle does not extend it.
net::Task<Got> receive(net::Stream& stream, std::string& body) {
    FrameReader reader;
    std::array<char, kReadSize> buffer;
    const auto deadline = stream.loop().now() + kSilence;
    while (!reader.complete()) {
        if (reader.oversized()) co_return Got::garbage;
        const auto size = std::min(buffer.size(), reader.wants());
        const net::IoResult got = co_await stream.read_some(std::span(buffer.data(), size), deadline);
        if (!got.ok()) co_return Got::end;
        reader.feed({buffer.data(), got.size});
    }
    body = reader.take();
    co_return Got::frame;
}

// Who asks.
struct Peer {
    User user;
    int pid = 0;
    bool known = false;
};

// The frames of a long request, one at a time.
class Frames final : public Incoming {
public:
    Frames(net::Stream& stream, std::int64_t id, bool more, unsigned uid)
        : stream_(stream), id_(id), uid_(uid), more_(more) {}

    net::Task<base::Result<std::optional<Value::List>>> next() override {
        if (!more_) co_return std::nullopt;
        std::string body;
        const Got got = co_await receive(stream_, body);
        if (got == Got::end) co_return base::fail(base::ErrorKind::protocol, "the request has no end");
        auto part = got == Got::frame ? decode_part(body) : std::nullopt;
        if (!part || part->id != id_)
            co_return base::fail(base::ErrorKind::protocol, "what follows is no part of the request");
        more_ = part->more;
        co_return std::move(part->items);
    }
    unsigned uid() const override { return uid_; }
    bool all_read() const { return !more_; }

private:
    net::Stream& stream_;
    const std::int64_t id_;
    const unsigned uid_;
    bool more_;
};

// The audit: who asked for what, and what became of it. The token is no argument and stands nowhere.
void log_command(const Permissions& permissions, const Peer& peer, const Request& request, std::string_view result,
                 base::Duration took) {
    const Command* command = find_command(request.command);
    const bool acts = command != nullptr && command->role == Role::write;
    const auto level = acts || result == "forbidden" ? base::log::Level::notice : base::log::Level::info;
    const auto user = permissions.names.find(peer.user.uid);
    const auto args = to_json(without_secrets(command, request.args), false);
    const base::log::Field fields[] = {
        {"command", request.command},
        {"user", user != permissions.names.end() ? std::string_view(user->second) : std::string_view()},
        {"uid", peer.user.uid},
        {"pid", peer.pid},
        {"args", args},
        {"result", result},
        {"elapsed_ms", std::chrono::duration<double, std::milli>(took).count()}};
    base::log::write(level, "control.command", fields, std::size(fields));
}

struct Counted {
    explicit Counted(std::atomic<std::size_t>& c) : count(c) {}
    ~Counted() { --count; }
    Counted(const Counted&) = delete;
    Counted& operator=(const Counted&) = delete;
    std::atomic<std::size_t>& count;
};

}  // namespace

namespace {

struct Outcome {
    explicit Outcome(net::Loop& loop) : event(loop) {}
    std::optional<base::Result<Reply>> reply;
    bool over = false;
    net::Event event;
};

net::Task<> carry_out(net::Task<base::Result<Reply>> asked, std::shared_ptr<Outcome> outcome) {
    auto reply = co_await std::move(asked);
    outcome->reply.emplace(std::move(reply));
}

void begin(net::Loop& loop, net::Task<base::Result<Reply>> asked, const std::shared_ptr<Outcome>& outcome) {
    net::spawn(loop, "control.command", carry_out(std::move(asked), outcome), [outcome] {
        outcome->over = true;
        outcome->event.notify_all();
    });
}

std::string sign_of_life_frame(std::int64_t id) {
    return encode_answer({.id = id, .result = Value::list(), .more = true});
}

// Until the command has ended, also when its client has gone: it uses the stream. While it takes long the client hears
// that it goes on.
net::Task<base::Result<Reply>> attend(net::Stream& stream, std::int64_t id, net::Task<base::Result<Reply>> asked,
                                      base::Duration sign_of_life) {
    const auto outcome = std::make_shared<Outcome>(stream.loop());
    begin(stream.loop(), std::move(asked), outcome);
    for (bool there = true; !outcome->over;) {
        const auto until = stream.loop().now() + sign_of_life;
        const bool notified = co_await outcome->event.wait(until);
        if (notified || outcome->over || !there) continue;
        std::string sign = sign_of_life_frame(id);
        there = co_await send(stream, std::move(sign));
    }
    if (!outcome->reply) co_return base::fail(base::ErrorKind::internal, "it failed: see the log");
    co_return *std::move(outcome->reply);
}

}  // namespace

// Shared with the conversations, which may outlive the Server by a moment.
struct Server::State {
    State(Handlers h, LongHandlers l, Permissions p, base::Metrics& metrics, base::Duration sign)
        : sign_of_life(sign),
          handlers(std::move(h)),
          long_handlers(std::move(l)),
          permissions(std::make_shared<const Permissions>(std::move(p))),
          registry(metrics),
          requests(metrics.counter("posthorn_control_requests_total", "Requests on the control socket")),
          refused(metrics.counter("posthorn_control_refused_total",
                                  "Requests refused: unknown, forbidden or not understood")) {}

    const base::Duration sign_of_life;
    const Handlers handlers;
    const LongHandlers long_handlers;
    base::Guarded<std::shared_ptr<const Permissions>> permissions;
    base::Metrics& registry;
    base::Counter& requests;
    base::Counter& refused;
    std::atomic<std::size_t> connections{0};
    std::atomic<bool> stopping{false};

    std::shared_ptr<const Permissions> permitted() const {
        return permissions.with([](const auto& p) { return p; });
    }

    // What is wrong with a request before its handler is asked: code and message.
    std::optional<std::pair<std::string_view, std::string>> objection(const Request& request,
                                                                      const Permissions& who,
                                                                      const Peer& peer) const {
        const Command* command = find_command(request.command);
        if (command == nullptr || (!handlers.contains(request.command) && !long_handlers.contains(request.command)))
            return std::pair("unknown_command", fmt::format("there is no command {}", request.command));
        const auto user = peer.known ? role_of(who, peer.user, ::geteuid()) : std::nullopt;
        if (const auto why = control::refusal(who, command->role, user, request.token))
            return std::pair("forbidden", fmt::format("{} {}", request.command, *why));
        if (auto complaint = check_args(*command, request.args)) return std::pair("bad_request", *complaint);
        if (request.more && !command->body)
            return std::pair("bad_request", fmt::format("{} is asked in one frame", request.command));
        return std::nullopt;
    }

    // False: the peer does not take it.
    static net::Task<bool> send_all(net::Stream& stream, std::vector<std::string> frames) {
        for (auto& one : frames) {
            const bool sent = co_await send(stream, std::move(one));
            if (!sent) co_return false;
        }
        co_return true;
    }

    static std::vector<std::string> failed(std::int64_t id, const base::Error& error) {
        return {refusal(id, code_of(error.kind), error.log_text)};
    }

    // The list as it is found, no part before the one before was taken. `result` is told when it fails.
    static net::Task<bool> send_parts(net::Stream& stream, std::int64_t id, std::shared_ptr<Parts> parts,
                                      std::string_view* result) {
        while (true) {
            base::Result<std::optional<Value>> part = co_await parts->next(stream.loop());
            if (!part) *result = code_of(part.error().kind);
            const bool more = part && *part;
            auto frames = !part  ? failed(id, part.error())
                          : more ? frames_of(id, {.result = **std::move(part), .info = {}}, true)
                                 : frames_of(id, {.result = Value::list(), .info = parts->info()});
            const bool sent = co_await send_all(stream, std::move(frames));
            if (!sent || !more) co_return sent;
        }
    }

    // Whether the conversation goes on; `result` says what became of the command.
    net::Task<bool> answer(net::Stream& stream, Request request, unsigned uid, std::string_view* result) const {
        const auto name = request.command;
        Frames frames_in(stream, request.id, request.more, uid);
        const auto plain = handlers.find(name);
        auto asked = plain != handlers.end()
                         ? plain->second(stream.loop(), std::move(request.args))
                         : long_handlers.find(name)->second(stream.loop(), std::move(request.args), frames_in);
        base::Result<Reply> reply = co_await attend(stream, request.id, std::move(asked), sign_of_life);
        *result = !reply ? code_of(reply.error().kind) : !reply->refused.empty() ? "refused" : "ok";
        registry
            .counter("posthorn_control_commands_total", "Commands on the control socket",
                     {{"command", name}, {"result", std::string(*result)}})
            .add();
        auto parts = reply ? std::move(reply->parts) : nullptr;
        const auto after = reply ? std::move(reply->after) : nullptr;
        auto frames = !reply                    ? failed(request.id, reply.error())
                      : !reply->refused.empty() ? std::vector{refusal(request.id, *result, reply->refused)}
                                                : frames_of(request.id, *std::move(reply), parts != nullptr);
        const bool sent = co_await send_all(stream, std::move(frames));
        if (after) after();
        if (!sent || !parts) co_return sent&& frames_in.all_read();
        const bool all_sent = co_await send_parts(stream, request.id, std::move(parts), result);
        co_return all_sent&& frames_in.all_read();
    }

    net::Task<bool> serve(net::Stream& stream, Request request, Peer peer) {
        const auto begun = stream.loop().now();
        const auto who = permitted();
        std::string_view result;
        bool open = false;
        if (auto no = objection(request, *who, peer)) {
            refused.add();
            result = no->first;
            open = co_await send(stream, refusal(request.id, result, std::move(no->second)));
            open = open && !request.more;  // the rest of it is not waited for
        } else {
            requests.add();
            open = co_await answer(stream, request, peer.user.uid, &result);
        }
        if (!open && result == "ok") result = "unsent";
        log_command(*who, peer, request, result, stream.loop().now() - begun);
        co_return open;
    }

    // One request after the other until the peer ends, is silent, or sends what is no request.
    static net::Task<> converse(std::shared_ptr<State> state, std::unique_ptr<net::Stream> stream) {
        const Counted counted(state->connections);
        net::Loop& loop = stream->loop();
        Peer peer;
        if (auto known = net::peer_credentials(*stream)) {
            peer = {{known->uid, std::move(known->groups)}, known->pid, true};
            peer.user.groups.push_back(known->gid);
        }
        bool open = true;
        while (open && !state->stopping) {
            std::string body;
            const Got got = co_await receive(*stream, body);
            if (got == Got::end) break;
            std::int64_t id = 0;
            std::optional<Request> request;
            if (got == Got::frame) request = decode_request(body, id);
            if (!request) {
                // What follows cannot be trusted to be a frame.
                state->refused.add();
                co_await send(*stream, refusal(id, "bad_request", "not a request of protocol version 1"));
                open = false;
            } else {
                open = co_await state->serve(*stream, *std::move(request), peer);
            }
        }
        co_await stream->shutdown(loop.now() + std::chrono::seconds(1));
    }

    static net::Task<> turn_away(std::shared_ptr<State> state, std::unique_ptr<net::Stream> stream) {
        state->refused.add();
        const bool sent = co_await send(*stream, refusal(0, "busy", "too many control connections"));
        if (sent) co_await stream->shutdown(stream->loop().now() + std::chrono::seconds(1));
    }

    static void accept(const std::shared_ptr<State>& state, net::Loop& loop, std::unique_ptr<net::Stream> stream) {
        if (state->connections.fetch_add(1) >= kMaxConnections) {
            --state->connections;
            net::spawn(loop, "control.turn_away", turn_away(state, std::move(stream)));
            return;
        }
        net::spawn(loop, "control.connection", converse(state, std::move(stream)));
    }
};

Server::Server(net::LoopGroup& loops, std::unique_ptr<net::Listener> listener, Handlers handlers,
               Permissions permissions, base::Metrics& metrics, LongHandlers long_handlers,
               base::Duration sign_of_life)
    : state_(std::make_shared<State>(std::move(handlers), std::move(long_handlers), std::move(permissions), metrics,
                                     sign_of_life)),
      listener_(std::move(listener)),
      loops_(loops) {}

Server::~Server() { stop(); }

void Server::start() {
    listener_->start(loops_, [state = state_](net::Loop& loop, std::unique_ptr<net::Stream> stream) {
        State::accept(state, loop, std::move(stream));
    });
}

void Server::permit(Permissions permissions) {
    auto fresh = std::make_shared<const Permissions>(std::move(permissions));
    state_->permissions.with([&](auto& current) { current = std::move(fresh); });
}

void Server::stop() {
    state_->stopping = true;
    listener_->stop();
}

}  // namespace posthorn::control
