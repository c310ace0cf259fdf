#include "delivery/local_work.hpp"

#include <algorithm>

namespace posthorn::delivery {

namespace {

using Kind = mail::Outcome::Kind;

class SpooledText final : public store::Source {
public:
    SpooledText(std::shared_ptr<const mail::Envelope> envelope, std::shared_ptr<const spool::Body> body)
        : envelope_(std::move(envelope)), body_(std::move(body)) {}

    std::uint64_t size() const override { return envelope_->trace_headers.size() + body_->size(); }
    base::Result<std::size_t> read_at(std::uint64_t offset, std::span<char> into) const override {
        const std::string& trace = envelope_->trace_headers;
        if (offset < trace.size()) return trace.copy(into.data(), into.size(), offset);
        return body_->read_at(offset - trace.size(), into);
    }

private:
    const std::shared_ptr<const mail::Envelope> envelope_;
    const std::shared_ptr<const spool::Body> body_;
};

// RFC 3461 §5.2.7: where it goes on to one address alone, that one's server answers for success; where it goes on to
// several the sender hears "expanded" of us, and nothing of success from them.
std::vector<mail::Recipient> onward(const mail::Recipient& parent, const Expansion& expansion, bool alone,
                                    const std::vector<mail::Address>& failed) {
    std::uint8_t notify = parent.notify;
    if (!alone && (notify & mail::notify::success) != 0) {
        notify = static_cast<std::uint8_t>(notify & ~mail::notify::success);
        if (notify == 0) notify = mail::notify::never;
    }
    std::vector<mail::Recipient> out;
    for (const auto* list : {&expansion.remote, &failed}) {
        for (const mail::Address& address : *list) out.push_back({address, notify, parent.orcpt});
    }
    return out;
}

void add_word(std::string& to, const std::string& word) {
    constexpr std::size_t kMost = 500;  // octets: it is for a line of the log
    if (to.size() > kMost) return;
    if (!to.empty()) to += ' ';
    to += word;
}

// What its accounts came to.
struct Tally {
    std::size_t stored = 0;
    bool open = false;                         // some account's turn has not come
    const mail::Outcome* temporary = nullptr;  // of the first that failed so
    const mail::Outcome* permanent = nullptr;
    const mail::Address* refused = nullptr;  // the address of `permanent`
    const mail::Outcome* good = nullptr;
    std::vector<mail::Address> failed;
};

Tally tally(const LocalWork& work, const LocalWork::Plan& plan, LocalEnd& end) {
    Tally t;
    const auto failed = [&t](const mail::Address& address, const mail::Outcome& outcome) {
        t.failed.push_back(address);
        const bool final = outcome.kind == Kind::permanent;
        const mail::Outcome*& first = final ? t.permanent : t.temporary;
        if (final && !first) t.refused = &address;
        if (!first) first = &outcome;
    };
    for (const std::size_t n : plan.leads_to) {
        const LocalWork::Mailbox& mailbox = work.mailboxes[n];
        if (!mailbox.settled) {
            t.open = true;
        } else if (mailbox.outcome.kind == Kind::delivered) {
            ++t.stored;
            t.good = &mailbox.outcome;
            add_word(end.account, mailbox.account.name.text());
            end.mailbox = mailbox.name;
        } else {
            failed(mailbox.address, mailbox.outcome);
        }
    }
    for (const Expansion::Failure& failure : plan.expansion.failures) failed(failure.address, failure.outcome);
    return t;
}

mail::Outcome onward_outcome(std::size_t addresses) {
    mail::Outcome outcome;
    outcome.kind = Kind::delivered;
    outcome.code = 250;
    outcome.status = "2.1.5";
    outcome.text = "alias: goes on to " + std::to_string(addresses) + (addresses == 1 ? " address" : " addresses");
    return outcome;
}

}  // namespace

std::shared_ptr<const store::Source> stored_text(std::shared_ptr<const mail::Envelope> envelope,
                                                 std::shared_ptr<const spool::Body> body) {
    return std::make_shared<SpooledText>(std::move(envelope), std::move(body));
}

void LocalWork::found(std::size_t at, base::Result<Expansion> expansion, base::WallTime now) {
    Plan& plan = plans[at];
    plan.looked_up = true;
    if (!expansion) {
        mail::Outcome& trouble = plan.trouble.emplace();
        trouble.code = 451;
        trouble.status = expansion.error().status.starts_with('4') ? expansion.error().status : "4.3.0";
        trouble.text = "Who this address leads to cannot be told just now";
        trouble.at = now;
        return;
    }
    plan.expansion = *std::move(expansion);
    for (Expansion::Mailbox& found : plan.expansion.mailboxes) {
        const auto [known, fresh] = by_account.try_emplace(found.account.name, mailboxes.size());
        if (fresh) {
            Mailbox& mailbox = mailboxes.emplace_back();
            mailbox.account = std::move(found.account);
            mailbox.tag = std::move(found.tag);
            mailbox.address = std::move(found.address);
        }
        plan.leads_to.push_back(known->second);
    }
    plan.expansion.mailboxes.clear();
    if (dropped) next_mailbox = mailboxes.size();
}

void LocalWork::drop_pieces() {
    dropped = true;
    next_recipient = plans.size();
    next_mailbox = mailboxes.size();
}

// Temporary failures alone keep a recipient waiting: the store knows who has the message when it comes again. Where
// some of it goes on as another message that cannot be: it would be born again. Then what failed goes along.
LocalVerdict verdict(const LocalWork& work, std::size_t at, base::WallTime now) {
    const LocalWork::Plan& plan = work.plans[at];
    LocalVerdict out;
    mail::Outcome& outcome = out.result.outcome;
    out.result.scope = smtp::FailureScope::recipient;
    const Tally t = tally(work, plan, out.end);
    if (plan.trouble) {
        outcome = *plan.trouble;
    } else if (!plan.looked_up || t.open) {
        out.result.one_too_many = true;  // its turn has not come: no attempt
        outcome.status = "4.3.2";
        outcome.text = "The server stops";
    } else if (!plan.expansion.remote.empty()) {
        const std::size_t ends =
            plan.expansion.remote.size() + plan.leads_to.size() + plan.expansion.failures.size();
        const mail::Recipient& parent = work.recipient(at);
        out.end.onward = onward(parent, plan.expansion, ends == 1, t.failed);
        out.end.sender = plan.owner;
        outcome = onward_outcome(out.end.onward.size());
        if (ends > 1) out.end.success = mail::DsnAction::expanded;
    } else if (t.temporary) {
        outcome = *t.temporary;
    } else if (t.permanent) {
        outcome = *t.permanent;
        if (plan.expansion.alias) outcome.text = '<' + t.refused->to_string() + ">: " + outcome.text;
    } else {
        outcome = *t.good;
        out.end.success = mail::DsnAction::delivered;
    }
    if (outcome.kind == Kind::delivered) {
        out.result.scope = smtp::FailureScope::none;
        out.result.dsn_passed_on = !out.end.success;
    }
    outcome.at = now;
    return out;
}

void LocalWork::conclude(JobResult& result, base::WallTime now) const {
    for (std::size_t at = 0; at < plans.size(); ++at) {
        LocalVerdict one = verdict(*this, at, now);
        result.recipients.push_back(std::move(one.result));
        result.local.push_back(std::move(one.end));
    }
}

}  // namespace posthorn::delivery
