// A session machine with a driver that lives in memory: octets in, transcript out.
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proto/smtp/server_session.hpp"

namespace posthorn::smtp::test {

enum class Cut { eof, timeout, broken };

struct Committed {
    std::string from;
    std::vector<std::string> to;
    std::string body;
    mail::BodyType type{};
    bool operator==(const Committed&) const = default;
};

class ServerDialogue {
public:
    using Kind = ServerAction::Kind;

    explicit ServerDialogue(ServerOptions options = defaults(), ServerPeer peer = {.ip = "192.0.2.7", .port = 1234})
        : session(std::move(options), std::move(peer)) {}

    static ServerOptions defaults() {
        ServerOptions options;
        options.hostname = "mx.example.org";
        options.starttls = true;
        return options;
    }

    // Performs actions until the machine wants octets that are not there, or closes. Gives what it wrote since.
    std::string run() {
        const auto from = written.size();
        while (!closed && !waiting && step()) {
        }
        return written.substr(from);
    }

    // Gives octets, in reads of at most `piece`.
    std::string say(std::string_view octets, std::size_t piece = SIZE_MAX) {
        run();
        const auto from = written.size();
        while (!octets.empty() && !closed) {
            const auto space = session.input_space();
            const auto count = std::min({space.size(), octets.size(), piece});
            std::copy_n(octets.begin(), count, space.begin());
            octets.remove_prefix(count);
            waiting = false;
            ++actions;
            session.on_bytes(count);
            run();
        }
        return written.substr(from);
    }

    // Plays octets with a cut: the answer to the nth action is the fault. False: there were fewer actions.
    bool play_cut(std::string_view octets, std::size_t nth, Cut cut) {
        stop_at = nth;
        cut_as = cut;
        say(octets);
        return was_cut;
    }

    bool step() {
        const auto action = session.next();
        collect_notices();
        if (action.kind == Kind::close) {
            closed = true;
            return false;
        }
        if (action.kind == Kind::read) last_read = action;
        if (stop_at && actions >= *stop_at && action.kind != Kind::discard && action.kind != Kind::commit) {
            stop_at.reset();
            was_cut = true;
            if (cut_as == Cut::eof) session.on_eof();
            if (cut_as == Cut::timeout) session.on_timeout();
            if (cut_as == Cut::broken) session.on_broken();
            return true;
        }
        if (action.kind != Kind::read) ++actions;
        perform(action);
        collect_notices();
        return !waiting;
    }

    std::string security() const {
        for (const auto& notice : notices) {
            if (notice.kind == Notice::Kind::security) return notice.text;
        }
        return {};
    }

    ServerSession session;
    std::string written;
    std::vector<std::size_t> writes;  // their sizes
    std::vector<Committed> committed;
    std::optional<std::string> body;  // open
    std::size_t largest_piece = 0;
    std::size_t discarded = 0;
    std::size_t handshakes = 0;
    std::vector<Notice> notices;
    ServerAction last_read;
    ServerAction last_write;
    bool closed = false;
    bool waiting = false;
    std::size_t actions = 0;

    // What the world above says.
    std::function<Verdict(Subject, ServerSession&)> judge = [](Subject, ServerSession&) { return Verdict::yes(); };
    std::function<Verdict()> open = [] { return Verdict::yes(); };
    std::function<Verdict()> take = [] { return Verdict::yes(); };
    std::function<Verdict()> commit = [] { return Verdict{.accept = true, .reply = {250, "2.0.0", "Queued"}}; };

    // "user:secret" of each login; "ann" with "secret" is right, "down" cannot be looked up.
    std::vector<std::string> asked;
    // LMTP: the reply to each recipient.
    std::function<ServerReply(const mail::Recipient&)> commit_one = [](const mail::Recipient&) {
        return ServerReply{250, "2.0.0", "Kept"};
    };

    std::optional<std::size_t> stop_at;
    Cut cut_as{};
    bool was_cut = false;

private:
    void collect_notices() {
        for (auto& notice : session.take_notices()) notices.push_back(std::move(notice));
    }

    void perform(const ServerAction& action) {
        switch (action.kind) {
            case Kind::read: waiting = true; return;
            case Kind::write:
                last_write = action;
                written += action.bytes;
                writes.push_back(action.bytes.size());
                return session.on_written();
            case Kind::start_tls: ++handshakes; return session.on_tls("TLSv1.3", "TLS_AES_256_GCM_SHA384");
            case Kind::check: return session.on_verdict(judge(action.subject, session));
            case Kind::authenticate: return look_up(session.take_auth_need());
            case Kind::open_body: {
                auto verdict = open();
                if (verdict.accept) body.emplace();
                return session.on_verdict(std::move(verdict));
            }
            case Kind::body: {
                auto verdict = take();
                largest_piece = std::max(largest_piece, action.bytes.size());
                if (verdict.accept) *body += action.bytes;
                return session.on_verdict(std::move(verdict));
            }
            case Kind::commit: return perform_commit();
            case Kind::discard:
                body.reset();
                ++discarded;
                return session.on_discarded();
            case Kind::close: return;
        }
    }

    void look_up(sasl::Step need) {
        std::string user, secret;
        if (const auto* password = std::get_if<sasl::NeedPassword>(&need)) {
            user = password->user;
            secret = password->password;
        } else if (const auto* token = std::get_if<sasl::NeedToken>(&need)) {
            user = token->user;
            secret = token->token;
        } else if (const auto* external = std::get_if<sasl::NeedExternal>(&need)) {
            user = external->user;
            secret = "secret";
        }
        asked.push_back(user + ":" + secret);
        using Verdict = sasl::LoginVerdict;
        if (user == "down") return session.on_login(Verdict::unavailable);
        if (user == "busy") return session.on_login(Verdict::throttled);
        if (user == "ann" && secret == "secret") return session.on_login(Verdict::ok, "ann@example.org");
        session.on_login(Verdict::wrong);
    }

    void perform_commit() {
        if (session.lmtp()) return perform_commits();
        auto verdict = commit();
        const auto& transaction = session.transaction();
        Committed message{
            .from = transaction.mail.from.to_string(), .to = {}, .body = *body, .type = transaction.mail.body};
        for (const auto& recipient : transaction.recipients) message.to.push_back(recipient.address.to_string());
        if (verdict.accept) committed.push_back(std::move(message));
        body.reset();
        session.on_verdict(std::move(verdict));
    }

    void perform_commits() {
        const auto& transaction = session.transaction();
        Committed message{
            .from = transaction.mail.from.to_string(), .to = {}, .body = *body, .type = transaction.mail.body};
        std::vector<ServerReply> replies;
        for (const auto& recipient : transaction.recipients) {
            replies.push_back(commit_one(recipient));
            if (replies.back().code < 400) message.to.push_back(recipient.address.to_string());
        }
        if (!message.to.empty()) committed.push_back(std::move(message));
        body.reset();
        session.on_replies(std::move(replies));
    }
};

}  // namespace posthorn::smtp::test
