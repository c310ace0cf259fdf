// One transaction of the session: MAIL to the last reply. The session's other half: client_session.cpp.
#include <algorithm>
#include <stdexcept>
#include <utility>

#include "proto/smtp/client_outcome.hpp"
#include "proto/smtp/client_session.hpp"

namespace posthorn::smtp {
namespace {

// Commands under way at once. The replies to as many fit into any receive buffer, so that a server that blocks on
// them while we write cannot bring both sides to a stand (RFC 2920 §3.1).
constexpr std::size_t kWindow = 64;

}  // namespace

std::size_t ClientSession::max_recipients() const {
    const std::size_t limit = server_.max_recipients;  // RFC 9422
    return std::max<std::size_t>(1,
                                 limit == 0 ? options_.max_recipients : std::min(limit, options_.max_recipients));
}

void ClientSession::begin(ClientMessage message) {
    if (phase_ != Phase::ready) throw std::logic_error("smtp client: begin() while not ready");
    message_ = std::move(message);
    progress_.assign(message_.recipients.size(), {});
    next_rcpt_ = accepted_ = 0;
    mail_said_ = mail_refused_ = content_asked_ = content_sent_ = false;
    chunks_ = use_chunks(message_, server_);
    stuffer_ = {};
    sent_ = chunk_left_ = 0;
    if (const auto why = impassable(message_, server_, options_.eight_bit)) settle_open(*why, FailureScope::host);
    for (std::size_t i = 0; i < progress_.size(); ++i) {
        const auto why = impassable(message_.envelope->recipients[message_.recipients[i]], server_);
        if (why && progress_[i].stand != Stand::done) settle(i, *why, FailureScope::host);
    }
    phase_ = Phase::transaction;
    if (std::ranges::all_of(progress_, [](const auto& p) { return p.stand == Stand::done; })) {
        phase_ = Phase::ready;  // not a word about it
        return;
    }
    ++messages_;
    if (dirty_) say("RSET", Asked::rset);
}

void ClientSession::fill_window() {
    const std::size_t window = server_.pipelining ? kWindow : 1;
    // Commands share segments: none goes alone while many are under way.
    if (content_asked_ || expected_.size() > window / 2) return;
    while (expected_.size() < window) {
        if (!mail_said_) {
            mail_said_ = true;
            say(mail_command(message_, server_), Asked::mail);
        } else if (next_rcpt_ < progress_.size()) {
            const auto i = next_rcpt_++;
            if (progress_[i].stand == Stand::done) continue;
            say(rcpt_command(message_.envelope->recipients[message_.recipients[i]], server_), Asked::rcpt, i);
        } else {
            return ask_for_content();
        }
    }
}

// All recipients are named. DATA may follow before they are answered (RFC 2920 §3.1), chunks may not: a server that
// took no recipient could not tell them from commands if it got them wrong.
void ClientSession::ask_for_content() {
    if (mail_refused_) return;
    const bool answered = expected_.empty();
    if (answered && accepted_ == 0) return;
    // LMTP answers the end of a message once for each recipient taken: for none, never. So it has to be known.
    if (!answered && (chunks_ || options_.lmtp || !server_.pipelining)) return;
    content_asked_ = true;
    if (chunks_) {
        phase_ = Phase::body;
    } else {
        say("DATA", Asked::data);
    }
}

void ClientSession::on_mail(const RemoteReply& reply) {
    if (reply.positive()) {
        dirty_ = true;
        return;
    }
    mail_refused_ = true;
    next_rcpt_ = progress_.size();
    settle_open(outcome_of(reply), FailureScope::message);
}

void ClientSession::on_rcpt(std::size_t recipient, const RemoteReply& reply) {
    auto& progress = progress_[recipient];
    if (progress.stand == Stand::done) return;  // MAIL was refused
    if (reply.positive()) {
        progress.stand = Stand::accepted;
        ++accepted_;
        return;
    }
    auto outcome = outcome_of(reply, true);
    // RFC 5321 §4.5.3.1.10: so many were taken that no more will be, by servers that say 552 too.
    const bool too_many = accepted_ > 0 && (reply.code == 452 || outcome.status.substr(1) == ".5.3");
    if (too_many) outcome.kind = mail::Outcome::Kind::temporary;
    settle(recipient, outcome, FailureScope::recipient);
    progress.result.one_too_many = too_many;
}

void ClientSession::on_data(const RemoteReply& reply) {
    if (reply.positive() || (reply.code / 100 == 3 && reply.code != 354)) {
        return violation(std::to_string(reply.code) + " as the answer to DATA");
    }
    if (reply.code != 354) return settle_accepted(outcome_of(reply), FailureScope::message);
    if (accepted_ > 0) {
        phase_ = Phase::body;
        return;
    }
    // RFC 2920 §3.1: DATA went along with recipients none of which was taken, and was let pass all the same.
    say(".", Asked::empty);
}

std::uint64_t ClientSession::body_max() const {
    const auto left = message_.size - sent_;
    if (!chunks_) return left;
    return chunk_left_ > 0 ? chunk_left_ : std::min(left, kChunkSize);
}

std::vector<std::string_view> ClientSession::body(std::string_view raw) {
    if (phase_ != Phase::body || raw.size() > body_max()) throw std::logic_error("smtp client: body out of turn");
    std::vector<std::string_view> pieces;
    if (chunks_ && chunk_left_ == 0) {
        chunk_left_ = body_max();
        const bool last = sent_ + chunk_left_ == message_.size;
        chunk_head_ = "BDAT " + std::to_string(chunk_left_) + (last ? " LAST" : "");
        dialogue_.client(chunk_head_);
        chunk_head_ += "\r\n";
        pieces.push_back(chunk_head_);
    }
    sent_ += raw.size();
    if (!chunks_) {
        stuffer_.stuff(raw, pieces);
        if (sent_ < message_.size) return pieces;
        pieces.push_back(stuffer_.end());
        await_last();
        return pieces;
    }
    chunk_left_ -= raw.size();
    if (!raw.empty()) pieces.push_back(raw);
    if (chunk_left_ > 0) return pieces;
    if (sent_ == message_.size) {
        await_last();
    } else {
        expected_.push_back({Asked::chunk, 0});
        phase_ = Phase::transaction;
    }
    return pieces;
}

void ClientSession::await_last() {
    dialogue_.client('(' + std::to_string(message_.size) + " octets of message)");
    content_sent_ = true;
    phase_ = Phase::transaction;
    if (!options_.lmtp) return expected_.push_back({Asked::last, 0});
    for (std::size_t i = 0; i < progress_.size(); ++i) {  // RFC 2033 §4.2: one answer for each that was accepted
        if (progress_[i].stand == Stand::accepted) expected_.push_back({Asked::last, i});
    }
}

void ClientSession::body_failed(std::string_view text) {
    dialogue_.note(text);
    settle_open(temporary_outcome("4.3.0", std::string(text)), FailureScope::message);
    leave(false);
}

void ClientSession::on_chunk(const RemoteReply& reply) {
    if (reply.positive()) {
        phase_ = Phase::body;
        return;
    }
    settle_accepted(outcome_of(reply), FailureScope::message);  // RFC 3030 §2: the next begin() says RSET
}

void ClientSession::on_last(std::size_t recipient, const RemoteReply& reply) {
    dirty_ = false;
    const auto outcome = outcome_of(reply);
    if (options_.lmtp) {
        settle(recipient, outcome, reply.positive() ? FailureScope::none : FailureScope::recipient);
    } else {
        settle_accepted(outcome, reply.positive() ? FailureScope::none : FailureScope::message);
    }
}

void ClientSession::settle(std::size_t recipient, const mail::Outcome& outcome, FailureScope scope) {
    auto& progress = progress_[recipient];
    if (progress.stand == Stand::accepted) --accepted_;
    progress.stand = Stand::done;
    progress.result.outcome = outcome;
    progress.result.scope = scope;
    progress.result.dsn_passed_on = scope == FailureScope::none && server_.dsn;
}

void ClientSession::settle_accepted(const mail::Outcome& outcome, FailureScope scope) {
    for (std::size_t i = 0; i < progress_.size(); ++i) {
        if (progress_[i].stand == Stand::accepted) settle(i, outcome, scope);
    }
}

void ClientSession::settle_open(const mail::Outcome& outcome, FailureScope scope) {
    for (std::size_t i = 0; i < progress_.size(); ++i) {
        if (progress_[i].stand != Stand::done) settle(i, outcome, scope);
    }
}

void ClientSession::end_if_complete() {
    if (phase_ != Phase::transaction || !expected_.empty() || !out_.empty()) return;
    if (std::ranges::any_of(progress_, [](const auto& p) { return p.stand != Stand::done; })) return;
    phase_ = Phase::ready;
    if (server_.max_messages != 0 && messages_ >= server_.max_messages) spent_ = true;  // RFC 9422: MAILMAX
}

std::vector<RecipientResult> ClientSession::take_results() {
    std::vector<RecipientResult> results;
    results.reserve(progress_.size());
    for (auto& progress : progress_) results.push_back(std::move(progress.result));
    progress_.clear();
    return results;
}

}  // namespace posthorn::smtp
