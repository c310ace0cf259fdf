#include "control/imported.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/ascii.hpp"
#include "base/utf8.hpp"
#include "mail/address_list.hpp"
#include "mail/header_fields.hpp"

namespace posthorn::control {
namespace {

constexpr std::size_t kMaxMessageId = 998;

bool is(const mail::FieldText& field, std::string_view name) { return base::iequals(field.name, name); }

std::expected<mail::Address, std::string> one_address(std::string_view text, std::string_view domain) {
    text = mail::trimmed(text);
    if (text.empty() || text == "<>") return mail::Address{};
    return mail::parse_mailbox(text, domain);
}

class Reader {
public:
    Reader(const WantedEnvelope& wanted, std::string_view domain) : wanted_(wanted), domain_(domain) {}

    std::expected<Imported, std::string> read(std::string_view header) {
        auto fields = mail::fields_of(header);
        // The separator line of an mbox.
        if (!fields.empty() && fields.front().whole.starts_with("From ")) fields.erase(fields.begin());
        bool front = true;
        for (const auto& field : fields) {
            if (field.name.empty()) return std::unexpected("it does not begin with a header: not a message");
            front = front && (is(field, kSenderField) || is(field, kRecipientField));
            if (front)
                take_envelope(field);
            else
                take(field);
        }
        choose_sender();
        choose_recipients();
        if (!error_.empty()) return std::unexpected(error_);
        for (const auto& field : fields_kept_) {
            if (!from_header_ || !is(field, "bcc")) out_.header += field.whole;  // RFC 5322 §3.6.3
        }
        out_.utf8 = !base::is_ascii(out_.header) || !out_.sender.ascii() ||
                    std::ranges::any_of(out_.recipients, [](const auto& a) { return !a.ascii(); });
        return std::move(out_);
    }

private:
    void take_envelope(const mail::FieldText& field) {
        auto address = one_address(field.body(), domain_);
        if (!address) return complain(field.name, address.error());
        if (is(field, kSenderField))
            sender_ = *std::move(address);
        else
            add(recipients_, *std::move(address));
    }

    void take(const mail::FieldText& field) {
        fields_kept_.push_back(field);
        if (is(field, "message-id"))
            out_.message_id = base::printable(mail::trimmed(field.body()), kMaxMessageId);
        else if (is(field, "from") || is(field, "sender"))
            take_author(field);
        else if ((is(field, "to") || is(field, "cc") || is(field, "bcc")) && wanted_.recipients.empty())
            take_named(field);
    }

    // Of several authors the one who sent it (RFC 5322 §3.6.2).
    void take_author(const mail::FieldText& field) {
        const auto list = mail::parse_address_list(field.body(), domain_);
        if (list && !list->empty() && (!author_ || is(field, "sender"))) author_ = list->front();
    }

    void take_named(const mail::FieldText& field) {
        auto list = mail::parse_address_list(field.body(), domain_);
        if (!list) named_error_ = fmt::format("in the field {}: {}", field.name, list.error());
        if (list) std::ranges::move(*list, std::back_inserter(named_));
    }

    void choose_sender() {
        if (!wanted_.sender.empty()) {
            auto address = one_address(wanted_.sender, domain_);
            if (!address) return complain("sender", address.error());
            out_.sender = *std::move(address);
        } else if (sender_) {
            out_.sender = *std::move(sender_);
        } else if (author_) {
            out_.sender = *std::move(author_);
        } else {
            complain("From", "who sends it? name a sender");
        }
    }

    void choose_recipients() {
        for (const auto& text : wanted_.recipients) {
            auto address = one_address(text, domain_);
            if (!address || address->domain.empty())
                return complain("recipient", address ? "that is nobody" : address.error());
            add(out_.recipients, *std::move(address));
        }
        if (!out_.recipients.empty()) return;
        from_header_ = recipients_.empty();
        if (from_header_ && !named_error_.empty()) {
            error_ = named_error_;
            return;
        }
        for (auto& address : from_header_ ? named_ : recipients_) add(out_.recipients, std::move(address));
        if (out_.recipients.empty()) complain("To", "who gets it? name a recipient");
    }

    static void add(std::vector<mail::Address>& list, mail::Address address) {
        const auto same = [&](const mail::Address& a) { return mail::same_mailbox(a, address); };
        if (std::ranges::none_of(list, same)) list.push_back(std::move(address));
    }

    void complain(std::string_view where, std::string_view why) {
        if (error_.empty()) error_ = fmt::format("{}: {}", where, why);
    }

    const WantedEnvelope& wanted_;
    const std::string_view domain_;
    Imported out_;
    std::optional<mail::Address> sender_, author_;
    std::vector<mail::Address> recipients_, named_;
    std::vector<mail::FieldText> fields_kept_;
    bool from_header_ = false;
    std::string named_error_, error_;
};

}  // namespace

std::string envelope_fields(const mail::Envelope& envelope, const std::vector<std::size_t>& recipients) {
    std::string out = fmt::format("{}: <{}>\r\n", kSenderField, envelope.reverse_path.to_string());
    for (const std::size_t i : recipients)
        out += fmt::format("{}: <{}>\r\n", kRecipientField, envelope.recipients[i].address.to_string());
    return out;
}

std::expected<Imported, std::string> read_imported(std::string_view header, const WantedEnvelope& wanted,
                                                   std::string_view domain) {
    return Reader(wanted, domain).read(header);
}

}  // namespace posthorn::control
