// Opening, sending and closing. What happens between machine and stream: smtp_client_io.cpp.
#include "delivery/smtp_client.hpp"

#include <algorithm>
#include <utility>

#include "base/ascii.hpp"
#include "delivery/message_source.hpp"
#include "mail/address.hpp"
#include "mail/dsn.hpp"
#include "net/cancel.hpp"
#include "proto/smtp/client_session.hpp"

namespace posthorn::delivery {
namespace {

constexpr std::size_t kReplyBuffer = 8 << 10;  // octets

// The next recipients that fit into one transaction: indices into `request.recipients`, taken from `waiting`.
std::vector<std::size_t> next_group(std::vector<std::size_t>& waiting, const SendRequest& request,
                                    const smtp::ClientSession& session) {
    std::vector<std::size_t> group;
    std::vector<std::size_t> rest;
    std::string domain;
    for (const auto index : waiting) {
        bool fits = group.size() < session.max_recipients();
        if (fits && session.server().one_domain) {  // RFC 9422: RCPTDOMAINMAX
            const auto& address = request.envelope->recipients[request.recipients[index]].address;
            const auto key = mail::domain_key(address.domain);
            if (group.empty()) domain = key;
            fits = key == domain;
        }
        (fits ? group : rest).push_back(index);
    }
    waiting = std::move(rest);
    return group;
}

}  // namespace

Connection::Connection(net::Loop& loop, SmtpClientContext context, SmtpTarget target)
    : loop_(loop), context_(std::move(context)), target_(std::move(target)), buffer_(kReplyBuffer) {}

Connection::~Connection() {
    if (stream_) stream_->close();
}

net::Task<OpenResult> Connection::open(net::Loop& loop, SmtpClientContext context, SmtpTarget target,
                                       std::shared_ptr<net::Cancel> cancel) {
    if (!cancel) cancel = std::make_shared<net::Cancel>();
    const auto started = loop.now();
    std::unique_ptr<Connection> connection(new Connection(loop, std::move(context), std::move(target)));
    bool up = co_await connection->establish(cancel);
    if (!up && !cancel->requested() && connection->session_ && connection->session_->plaintext_may_do()) {
        const auto why = connection->failure_.text;
        connection->warn("sending without TLS to " + connection->target_.host + ": " + why);
        connection->target_.tls = smtp::TlsPolicy::none;
        up = co_await connection->establish(cancel);
    }
    cancel->set(nullptr);
    OpenResult result;
    result.elapsed = loop.now() - started;
    result.connecting = connection->connected_.value_or(loop.now()) - started;
    if (connection->session_) result.dialogue = connection->session_->dialogue().lines();
    if (up) {
        connection->idle_since_ = loop.now();
        result.connection = std::move(connection);
    } else {
        result.failure = connection->failure_;
        connection->complete(result.failure);
    }
    co_return result;
}

net::Task<bool> Connection::establish(std::shared_ptr<net::Cancel> cancel) {
    tls_.clear();
    session_.reset();
    const auto until = deadline(smtp::ClientTimeout::connect);
    auto connected = co_await context_.connector->connect(loop_, target_.endpoint, until, cancel);
    if (!connected) {
        failure_ = local_failure("4.4.1", connected.error().log_text);
        co_return false;
    }
    stream_ = std::move(*connected);
    connected_ = loop_.now();
    cancel->set([this] { stream_->close(); });  // open() takes it back

    smtp::ClientOptions options;
    options.hostname = context_.hostname;
    options.lmtp = target_.lmtp;
    options.tls = target_.tls;
    options.tls_active = target_.implicit_tls;
    options.credentials = target_.credentials;
    options.eight_bit = context_.eight_bit;
    options.max_recipients = context_.max_recipients;
    session_ = std::make_unique<smtp::ClientSession>(std::move(options));
    if (target_.implicit_tls) {
        const bool secured = co_await start_tls();
        if (!secured) co_return false;
    }
    const bool ready = co_await run(nullptr);
    if (!ready) failure_ = session_->failure();
    co_return ready;
}

bool Connection::clear() const { return !session_->must_reset() || !reusable(); }

net::Task<> Connection::make_clear() {
    session_->reset();
    co_await run(nullptr);
}

net::Task<TransactionResult> Connection::send(SendRequest request) {
    const auto started = loop_.now();
    TransactionResult result;
    result.recipients.resize(request.recipients.size());
    MessageSource source(loop_, context_.disk, request.envelope, request.body);
    sending_ = request.envelope->id;
    gate_ = request.gate;
    withheld_ = false;
    session_->dialogue().clear();
    std::vector<std::size_t> waiting(request.recipients.size());
    for (std::size_t i = 0; i < waiting.size(); ++i) waiting[i] = i;
    const bool utf8_header = co_await header_needs_utf8(&source);

    // Each round settles one recipient at least: none is one too many but after another that was taken. What was
    // taken is made durable before more of it is sent.
    bool held_back = false;
    while (!waiting.empty() && reusable()) {
        if (!clear()) {
            co_await make_clear();
            continue;
        }
        held_back = result.transactions > 0 && request.another && !request.another();
        if (held_back) break;
        const auto group = next_group(waiting, request, *session_);
        smtp::ClientMessage message;
        message.envelope = request.envelope.get();
        for (const auto index : group) message.recipients.push_back(request.recipients[index]);
        message.size = source.size();
        message.utf8_header = utf8_header;
        if (target_.own_node) message.trace = request.trace;
        source.rewind();
        at_work([&] { session_->begin(std::move(message)); });
        if (!session_->at_ready()) {  // else there is nothing to say: it cannot pass here
            ++result.transactions;
            ++messages_;
        }
        const bool ready = co_await run(&source);
        auto settled = session_->take_results();
        const bool taken = std::ranges::any_of(settled, &smtp::RecipientResult::taken);
        for (std::size_t i = 0; i < group.size(); ++i) {
            if (settled[i].one_too_many) waiting.push_back(group[i]);
            result.recipients[group[i]] = std::move(settled[i]);
        }
        result.bytes += source.given();
        if (!ready || taken) break;
    }
    for (const auto index : waiting) {
        auto& left = result.recipients[index];
        left.one_too_many = result.transactions > 0;
        if (held_back) left.scope = smtp::FailureScope::recipient;
        if (left.outcome.status.empty()) {
            left.outcome =
                local_failure("4.4.2", result.transactions == 0
                                           ? "The server left, or spoke before it was asked"
                                           : "This recipient's turn had not come when the transaction ended");
        }
    }
    for (auto& recipient : result.recipients) complete(recipient.outcome);
    result.dialogue = session_->dialogue().lines();
    result.withheld = withheld_;
    result.elapsed = loop_.now() - started;
    sending_.reset();
    idle_since_ = loop_.now();
    co_return result;
}

// RFC 6531 §3.2 lets a message pass without SMTPUTF8 where nothing in it needs that. Looked at only where it matters.
net::Task<bool> Connection::header_needs_utf8(MessageSource* source) {
    if (!source->envelope().smtputf8 || session_->server().smtputf8) co_return false;
    std::string start;
    source->rewind();
    while (start.size() < mail::kMaxReturnedHeader) {
        const base::Result<std::string_view> piece = co_await source->next(mail::kMaxReturnedHeader);
        if (!piece || piece->empty()) break;
        start += *piece;
        if (start.find("\r\n\r\n") != std::string::npos) break;
    }
    const auto header = std::string_view(start).substr(0, mail::header_size(start));
    co_return !base::is_ascii(header);
}

bool Connection::reusable() const { return session_->reusable() && !stream_->readable_now(); }

net::Task<> Connection::close() {
    if (session_->at_ready()) {
        session_->quit();
        co_await run(nullptr);
    }
    stream_->close();
}

void Connection::abort() { stream_->close(); }

mail::Outcome Connection::local_failure(std::string_view status, std::string text) const {
    mail::Outcome outcome;
    outcome.status = status;
    outcome.text = std::move(text);
    return outcome;
}

void Connection::complete(mail::Outcome& outcome) const {
    const auto& endpoint = target_.endpoint;
    outcome.remote_host = target_.host;
    outcome.remote_ip = endpoint.unix_path.empty() ? endpoint.ip.to_string() : endpoint.to_string();
    outcome.tls = tls_;
    outcome.at = loop_.clock().wall();
}

void Connection::warn(std::string text) const {
    if (!context_.events) return;
    mail::Event event;
    event.kind = mail::EventKind::security;
    event.at = loop_.clock().wall();
    event.domain = target_.domain;
    event.remote_host = target_.host;
    event.remote_ip = target_.endpoint.unix_path.empty() ? target_.endpoint.ip.to_string() : std::string{};
    event.text = std::move(text);
    context_.events->record(event);
}

}  // namespace posthorn::delivery
