// DATA and BDAT: the octets of a message on their way through a session.
#include <algorithm>
#include <stdexcept>

#include "proto/smtp/server_session.hpp"

namespace posthorn::smtp {
namespace {

ServerReply reply_to(TextFault fault, std::size_t max_line) {
    switch (fault) {
        case TextFault::bare_newline: return {554, "5.6.0", "Message has a CR or LF that is not part of a CRLF"};
        case TextFault::nul: return {554, "5.6.0", "Message has a NUL octet"};
        case TextFault::line_too_long:
            return {554, "5.6.0", "Message has a line of more than " + std::to_string(max_line) + " octets"};
        case TextFault::none: break;
    }
    return {451, "4.3.0", "Local error"};
}

}  // namespace

// Why DATA or BDAT cannot come now.
std::optional<Fault> ServerSession::body_misplaced(bool chunk) const {
    if (!transaction_) return Fault{503, "5.5.1", "Say MAIL first"};
    if (transaction_->recipients.empty()) {
        // RFC 5321 §3.3; RFC 2033 §4.2 wants 503
        if (rcpt_refused_ && !lmtp()) return Fault{554, "5.5.1", "No valid recipients"};
        return Fault{503, "5.5.1", "Say RCPT first"};
    }
    if (chunk) {
        if (chunks_failed_) return Fault{503, "5.5.1", "An earlier BDAT failed; say RSET"};
        return std::nullopt;
    }
    // RFC 3030 §2, §3
    if (chunks_begun_) return Fault{503, "5.5.1", "DATA cannot follow BDAT"};
    if (transaction_->mail.body == mail::BodyType::binary_mime) return Fault{503, "5.5.1", "BINARYMIME needs BDAT"};
    return std::nullopt;
}

std::optional<ServerAction> ServerSession::data() {
    if (const auto fault = body_misplaced(false)) {
        refuse("DATA", *fault);
        return std::nullopt;
    }
    decoder_.emplace(TextDecoder::Framing::data, TextDecoder::Limits{.bare_newline = options_.bare_newline,
                                                                     .max_line = options_.max_text_line});
    return ask({.kind = ServerAction::Kind::open_body}, Awaiting::open);
}

std::optional<ServerAction> ServerSession::bdat(std::string_view argument) {
    const auto parsed = parse_bdat(argument);
    if (!parsed) {
        // How many octets follow is unknown: what comes next cannot be told from commands.
        refuse("BDAT", parsed.error());
        end("malformed BDAT");
        return std::nullopt;
    }
    chunk_left_ = chunk_size_ = parsed->size;
    chunk_last_ = parsed->last;
    waiting_ = false;
    first_block_ = false;
    if (const auto fault = body_misplaced(true)) {
        body_reply_ = ServerReply{fault->code, std::string(fault->status), std::string(fault->text)};
        stage_ = Stage::skip_chunk;
        return std::nullopt;
    }
    stage_ = Stage::chunk;
    if (std::exchange(chunks_begun_, true)) return std::nullopt;
    const bool binary = transaction_->mail.body == mail::BodyType::binary_mime;
    decoder_.emplace(
        binary ? TextDecoder::Framing::binary : TextDecoder::Framing::chunks,
        TextDecoder::Limits{.bare_newline = options_.bare_newline, .max_line = options_.max_text_line});
    return ask({.kind = ServerAction::Kind::open_body}, Awaiting::open);
}

void ServerSession::on_opened(Verdict verdict) {
    body_open_ = verdict.accept;
    if (chunks_begun_) {
        if (!verdict.accept) fail_body(std::move(verdict.reply));
        return;
    }
    if (!verdict.accept) {
        decoder_.reset();
        return refuse("DATA", verdict.reply);
    }
    say(354, "", "Go ahead; a line with only a dot ends the message");
    flush_ = true;
    stage_ = Stage::data;
    waiting_ = false;
    first_block_ = true;
}

std::optional<ServerAction> ServerSession::read_body() {
    if (!out_.empty()) return write();
    return read(first_block_ ? ServerTimeout::data_init : ServerTimeout::data_block);
}

std::optional<ServerAction> ServerSession::step_body() {
    const bool chunk = stage_ == Stage::chunk;
    if (chunk && chunk_left_ == 0) {
        if (!chunk_last_) {
            chunk_over();
            return std::nullopt;
        }
        const auto piece = decoder_->finish();
        return piece.body.empty() ? body_over() : take_piece(piece);
    }
    auto input = unread();
    if (input.empty()) return read_body();
    if (chunk) input = input.substr(0, chunk_left_);  // a size_t never exceeds the uint64_t
    const auto before = input.size();
    const auto piece = decoder_->next(input);
    const auto used = before - input.size();
    consume(used);
    if (chunk) chunk_left_ -= used;
    if (piece.end) return body_over();
    return take_piece(piece);
}

std::optional<ServerAction> ServerSession::take_piece(TextDecoder::Piece piece) {
    if (body_reply_) return std::nullopt;
    if (decoder_->fault() != TextFault::none) {
        fail_body(reply_to(decoder_->fault(), options_.max_text_line));
        return std::nullopt;
    }
    if (piece.body.empty()) return std::nullopt;
    transaction_->size += piece.body.size();
    transaction_->header.feed(piece.body);
    if (options_.max_message_size != 0 && transaction_->size > options_.max_message_size) {
        const auto limit = std::to_string(options_.max_message_size);
        fail_body({552, "5.3.4", "Message is larger than " + limit + " octets"});
        return std::nullopt;
    }
    // RFC 5321 §6.3
    if (transaction_->header.received() > options_.max_hops) {
        fail_body({554, "5.4.6", "Too many hops: this message goes in circles"});
        return std::nullopt;
    }
    return ask({.kind = ServerAction::Kind::body, .timeout = ServerTimeout::data_block, .bytes = piece.body},
               Awaiting::body);
}

void ServerSession::on_body(Verdict verdict) {
    if (!verdict.accept) fail_body(std::move(verdict.reply));
}

// The message is lost, but its octets are still to come: they are read and forgotten, then answered.
void ServerSession::fail_body(ServerReply reply) {
    if (body_reply_) return;
    body_reply_ = std::move(reply);
    discard_due_ |= std::exchange(body_open_, false);
}

void ServerSession::chunk_over() {
    stage_ = Stage::command;
    waiting_ = false;
    if (!body_reply_) return say(250, "2.0.0", std::to_string(chunk_size_) + " octets taken");
    chunks_failed_ = true;
    refuse("BDAT", *body_reply_);
}

std::optional<ServerAction> ServerSession::body_over() {
    if (!body_reply_ && decoder_->fault() != TextFault::none) {
        fail_body(reply_to(decoder_->fault(), options_.max_text_line));
    }
    auto& declared = transaction_->mail.body;
    transaction_->eight_bit = decoder_->eight_bit();
    if (transaction_->eight_bit && declared == mail::BodyType::seven_bit) {
        if (options_.strict_8bit)
            fail_body({554, "5.6.3", "Message has 8-bit text but was not declared BODY=8BITMIME"});
        declared = mail::BodyType::eight_bit_mime;
    }
    if (!body_reply_)
        return ask({.kind = ServerAction::Kind::commit, .timeout = ServerTimeout::data_termination},
                   Awaiting::commit);
    const auto reply = *body_reply_;
    const auto stage = body_stage();
    refuse_message(stage, reply);
    return std::nullopt;
}

// The message is over, one way or the other.
void ServerSession::message_over() {
    stage_ = Stage::command;
    drop_transaction();
    flush_ = answers_message_ = true;
    waiting_ = false;
}

void ServerSession::refuse_message(std::string_view stage, const ServerReply& reply) {
    if (lmtp()) return answer_each(std::vector<ServerReply>(transaction_->recipients.size(), reply));
    message_over();
    refuse(stage, reply);
}

// RFC 2033 §4.2: one reply for each recipient that was accepted, in their order.
void ServerSession::answer_each(std::vector<ServerReply> replies) {
    const auto& recipients = transaction_->recipients;
    if (replies.size() != recipients.size())
        throw std::logic_error("lmtp session: not one reply for each recipient");
    pending_.reserve(replies.size());
    for (std::size_t i = replies.size(); i-- > 0;)
        pending_.emplace_back(std::move(replies[i]), recipients[i].address.to_string());
    message_over();
}

void ServerSession::say_pending() {
    while (!pending_.empty() && out_.size() < kMaxOutput) {
        auto [reply, recipient] = std::move(pending_.back());
        pending_.pop_back();
        say(reply.code, reply.status, reply.text);
        flush_ = answers_message_ = true;
        // No error of the session's: the others may have been taken, and each reply must come.
        if (reply.code < 400) continue;
        notices_.push_back({.stage = "DATA",
                            .code = reply.code,
                            .status = std::move(reply.status),
                            .text = std::move(reply.text),
                            .recipient = std::move(recipient)});
    }
}

void ServerSession::on_replies(std::vector<ServerReply> replies) {
    settle(Awaiting::commit);
    body_open_ = false;
    if (std::ranges::any_of(replies, [](const ServerReply& reply) { return reply.code < 400; })) {
        ++accepted_;
        errors_ = 0;
    }
    answer_each(std::move(replies));
}

void ServerSession::on_committed(Verdict verdict) {
    body_open_ = false;  // whatever became of it, it is not ours to discard
    const auto stage = body_stage();
    if (lmtp()) throw std::logic_error("lmtp session: a commit is answered by on_replies()");
    message_over();
    if (!verdict.accept) return refuse(stage, verdict.reply);
    ++accepted_;
    errors_ = 0;
    say(verdict.reply.code, verdict.reply.status, verdict.reply.text);
}

// A chunk that came at the wrong time.
std::optional<ServerAction> ServerSession::step_skip() {
    const auto length = std::min<std::uint64_t>(end_ - begin_, chunk_left_);
    consume(static_cast<std::size_t>(length));
    chunk_left_ -= length;
    if (chunk_left_ != 0) return read_body();
    const auto reply = *std::exchange(body_reply_, std::nullopt);
    if (lmtp() && chunk_last_ && transaction_ && !transaction_->recipients.empty()) {
        refuse_message("BDAT", reply);
        return std::nullopt;
    }
    stage_ = Stage::command;
    waiting_ = false;
    if (chunk_last_) drop_transaction();
    refuse("BDAT", reply);
    return std::nullopt;
}

}  // namespace posthorn::smtp
