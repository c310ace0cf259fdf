#include "delivery/expansion.hpp"

#include <deque>

#include "base/ascii.hpp"
#include "mail/account.hpp"

namespace posthorn::delivery {

namespace {

constexpr std::string_view kField = "Delivered-To:";

mail::Outcome refusal(int code, std::string_view status, std::string text) {
    mail::Outcome outcome;
    outcome.kind = mail::Outcome::Kind::permanent;
    outcome.code = code;
    outcome.status = status;
    outcome.text = std::move(text);
    return outcome;
}

// Without what some put around an address.
std::string_view bare(std::string_view value) {
    while (!value.empty() && (value.front() == ' ' || value.front() == '\t' || value.front() == '<'))
        value.remove_prefix(1);
    while (!value.empty() && (value.back() == ' ' || value.back() == '\t' || value.back() == '>'))
        value.remove_suffix(1);
    return value;
}

struct Step {
    mail::Address address;
    std::size_t depth = 0;
};

// One call of expand(); lives in its frame.
class Walk {
public:
    explicit Walk(DeliveredTo passed) : passed_(std::move(passed)) {}

    void visit(mail::Address address, std::size_t depth) {
        if (seen_.insert(delivered_to_key(address)).second) next_.push_back({std::move(address), depth});
    }
    bool take(Step& step) {
        if (next_.empty()) return false;
        step = std::move(next_.front());
        next_.pop_front();
        return true;
    }
    void resolved(Step step, auth::Resolution resolution) {
        using Kind = auth::Resolution::Kind;
        switch (resolution.kind) {
            case Kind::not_local: out.remote.push_back(std::move(step.address)); break;
            case Kind::unknown: fail(std::move(step.address), refusal(550, "5.1.1", "No such user here")); break;
            case Kind::account: mailbox(std::move(step.address), std::move(resolution)); break;
            case Kind::alias: alias(std::move(step), std::move(resolution)); break;
        }
    }

    Expansion out;

private:
    void fail(mail::Address address, mail::Outcome outcome) {
        out.failures.push_back({std::move(address), std::move(outcome)});
    }
    void mailbox(mail::Address address, auth::Resolution resolution) {
        if (resolution.account.disabled)
            return fail(std::move(address), refusal(550, "5.2.1", "This mailbox is disabled"));
        if (!accounts_.insert(resolution.account.name).second) return;
        out.mailboxes.push_back({std::move(resolution.account), std::move(resolution.tag), std::move(address)});
    }
    void alias(Step step, auth::Resolution resolution) {
        if (step.depth == 0) out.alias = true;
        if (passed_.contains(delivered_to_key(step.address)))
            return fail(std::move(step.address),
                        refusal(554, "5.4.6", "Mail forwarding loop: the message has been at this address before"));
        if (step.depth >= kMaxAliasDepth || seen_.size() + resolution.targets.size() > kMaxExpanded)
            return fail(std::move(step.address), refusal(554, "5.4.6", "This alias leads through too many others"));
        for (mail::Address& target : resolution.targets) visit(std::move(target), step.depth + 1);
    }

    DeliveredTo passed_;
    std::set<std::string, std::less<>> seen_;
    std::set<mail::AccountName> accounts_;
    std::deque<Step> next_;
};

}  // namespace

std::string delivered_to_key(const mail::Address& address) {
    if (const auto name = mail::account_name(address)) return name->text();
    return base::lower(address.to_string());
}

DeliveredTo delivered_to(std::string_view header) {
    DeliveredTo found;
    while (!header.empty() && !header.starts_with("\r\n")) {
        const std::size_t end = header.find("\r\n");
        const std::string_view line = header.substr(0, end);
        header.remove_prefix(end == std::string_view::npos ? header.size() : end + 2);
        if (!base::istarts_with(line, kField)) continue;
        if (const auto address = mail::parse_address(bare(line.substr(kField.size()))))
            found.insert(delivered_to_key(*address));
    }
    return found;
}

std::string delivered_to_line(const mail::Address& address) {
    return std::string(kField) + ' ' + address.to_string() + "\r\n";
}

net::Task<base::Result<Expansion>> expand(net::Loop& loop, auth::Directory& directory, mail::Address address,
                                          DeliveredTo passed) {
    Walk walk(std::move(passed));
    const mail::Address first = address;
    walk.visit(std::move(address), 0);
    Step step;
    while (walk.take(step)) {
        base::Result<auth::Resolution> resolution = co_await directory.resolve(loop, step.address);
        if (!resolution) co_return std::unexpected(resolution.error());
        walk.resolved(std::move(step), std::move(*resolution));
    }
    // Aliases that lead to nothing but each other.
    if (walk.out.ends() == 0)
        walk.out.failures.push_back({first, refusal(554, "5.4.6", "This alias leads to nobody")});
    co_return std::move(walk.out);
}

}  // namespace posthorn::delivery
