// AUTH (RFC 4954): the framing around an exchange of proto/sasl. Secrets are wiped from the input once they are read;
// no notice, reply or log line has them.
#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "base/base64.hpp"
#include "proto/smtp/server_session.hpp"

namespace posthorn::smtp {
namespace {

constexpr std::string_view kBadSequence = "5.5.1";
constexpr std::string_view kStage = "AUTH";
const ServerReply kWrong{535, "5.7.8", "Authentication credentials invalid"};
const ServerReply kMalformed{501, "5.5.2", "That is not what this mechanism says"};

bool has(const std::vector<sasl::Mechanism>& mechanisms, sasl::Mechanism mechanism) {
    return std::ranges::find(mechanisms, mechanism) != mechanisms.end();
}

}  // namespace

bool ServerSession::offered(sasl::Mechanism mechanism) const {
    if (!has(options_.mechanisms, mechanism)) return false;
    if (sasl::in_the_clear(mechanism)) return options_.clear_auth || !peer_.tls_version.empty();
    if (mechanism == sasl::Mechanism::scram_sha_256_plus) return !peer_.tls_exporter.empty();
    if (mechanism == sasl::Mechanism::external) return peer_.has_certificate;
    return true;
}

std::string ServerSession::offered_mechanisms() const {
    std::string out;
    for (const auto mechanism : options_.mechanisms) {
        if (offered(mechanism)) (out += ' ') += sasl::name(mechanism);
    }
    return out;
}

std::optional<ServerAction> ServerSession::auth(std::string_view argument) {
    const auto no = [this](int code, std::string_view status, std::string_view text) {
        refuse(kStage, code, status, text);
        return std::nullopt;
    };
    if (options_.mechanisms.empty()) return no(502, kBadSequence, "AUTH is not offered here");
    if (!greeted_ || !peer_.esmtp) return no(503, kBadSequence, lmtp() ? "Say LHLO first" : "Say EHLO first");
    if (!peer_.auth_user.empty()) return no(503, kBadSequence, "You are logged in already");
    if (transaction_) return no(503, kBadSequence, "A message is under way");
    auto parsed = parse_auth(argument);
    if (!parsed) return no(parsed.error().code, parsed.error().status, parsed.error().text);
    const auto mechanism = sasl::parse_mechanism(parsed->mechanism);
    if (!mechanism || !has(options_.mechanisms, *mechanism)) {
        return no(504, "5.5.4", "That mechanism is not offered");
    }
    if (!offered(*mechanism)) {
        if (sasl::in_the_clear(*mechanism))
            return no(538, "5.7.11", "This mechanism needs TLS; say STARTTLS first");
        return no(504, "5.5.4", "That mechanism cannot be used here");
    }
    auth_mechanism_ = *mechanism;
    sasl_ = sasl::make_server(*mechanism, {.tls_exporter = peer_.tls_exporter,
                                           .plus_offered = offered(sasl::Mechanism::scram_sha_256_plus),
                                           .token_scope = options_.token_scope});
    auto step = sasl_->start(parsed->initial);
    if (parsed->initial) sasl::wipe(*parsed->initial);
    wipe_input(argument);
    return auth_step(std::move(step));
}

// What the mechanism wants next: to say something, to have something looked up, or to end.
std::optional<ServerAction> ServerSession::auth_step(sasl::Step step) {
    waiting_ = false;
    flush_ = true;
    if (const auto* challenge = std::get_if<sasl::Challenge>(&step)) {
        // Not by append_reply(), whose lines are short: a client takes up to kMaxAuthLine here.
        ((out_ += "334 ") += base::base64_encode(challenge->bytes)) += "\r\n";
        stage_ = Stage::auth;
        return std::nullopt;
    }
    if (std::holds_alternative<sasl::Done>(step)) {
        sasl_.reset();
        stage_ = Stage::command;
        peer_.auth_user = std::move(auth_candidate_);
        auth_failures_ = 0;
        say(235, "2.7.0", "Authentication succeeded");
        return std::nullopt;
    }
    if (const auto* failed = std::get_if<sasl::Failed>(&step)) {
        const bool odd = failed->why == sasl::Failed::Why::malformed && auth_reply_.code == 0;
        auth_failed(odd ? kMalformed : auth_reply_.code != 0 ? auth_reply_ : kWrong);
        return std::nullopt;
    }
    auth_need_ = std::move(step);
    return ask({.kind = ServerAction::Kind::authenticate}, Awaiting::auth);
}

void ServerSession::on_auth(AuthAnswer answer) {
    settle(Awaiting::auth);
    using Kind = AuthAnswer::Kind;
    auth_need_ = sasl::Done{};
    if (answer.kind == Kind::failed) return auth_over(answer.reply);
    if (answer.kind == Kind::throttled) return auth_failed(std::move(answer.reply));
    if (answer.kind == Kind::denied) auth_reply_ = std::move(answer.reply);
    if (answer.kind == Kind::granted) auth_candidate_ = std::move(answer.user);
    auto step = answer.kind == Kind::denied   ? sasl_->deny()
                : answer.kind == Kind::secret ? sasl_->secret(std::move(answer.secret))
                                              : sasl_->grant();
    if (auth_step(std::move(step))) throw std::logic_error("smtp session: a SASL mechanism asks twice");
}

// The client's line, CRLF at its end like any other.
std::optional<ServerAction> ServerSession::step_auth() {
    const auto text = unread();
    const auto lf = text.find('\n', searched_);
    if (lf == std::string_view::npos) {
        searched_ = text.size();
        if (line_overflow_ || text.size() >= kMaxAuthLine) {
            line_overflow_ = true;
            wipe_input(text);
            consume(text.size());
            searched_ = 0;
        }
        if (!out_.empty()) return write();
        return read(ServerTimeout::command);
    }
    searched_ = 0;
    consume(lf + 1);
    auto line = text.substr(0, lf);
    if (line.ends_with('\r')) line.remove_suffix(1);
    std::optional<ServerAction> action;
    if (std::exchange(line_overflow_, false) || lf + 1 > kMaxAuthLine) {
        auth_over({500, "5.5.6", "Authentication line too long"});  // RFC 4954 §6
    } else {
        action = auth_response(line);
    }
    wipe_input(text.substr(0, lf));
    return action;
}

std::optional<ServerAction> ServerSession::auth_response(std::string_view line) {
    if (line == "*") {
        auth_over({501, "5.7.0", "Authentication cancelled"});
        return std::nullopt;
    }
    auto response = base::base64_decode(line);
    if (!response) {
        auth_over({501, "5.5.2", "That is not Base64"});
        return std::nullopt;
    }
    auto step = sasl_->respond(*response);
    sasl::wipe(*response);
    return auth_step(std::move(step));
}

void ServerSession::auth_over(const ServerReply& reply) {
    sasl_.reset();
    auth_candidate_.clear();
    auth_reply_ = {};
    stage_ = Stage::command;
    waiting_ = false;
    flush_ = true;
    refuse(kStage, reply);
}

void ServerSession::auth_failed(ServerReply reply) {
    auth_over(reply);
    if (stage_ == Stage::closing || ++auth_failures_ < options_.max_auth_failures) return;
    say(421, "4.7.0", "Too many failed logins");
    notices_.push_back(
        {.stage = std::string(kStage), .code = 421, .status = "4.7.0", .text = "Too many failed logins"});
    end("too many failed logins");
}

// A line that begins so may be longer than others.
bool ServerSession::auth_line_begun() const {
    return stage_ == Stage::command && !options_.mechanisms.empty() &&
           parse_command(unread().substr(0, 64)).verb == Verb::auth;
}

// `text` lies in input_.
void ServerSession::wipe_input(std::string_view text) {
    if (!text.empty()) ::explicit_bzero(input_.get() + (text.data() - input_.get()), text.size());
}

}  // namespace posthorn::smtp
