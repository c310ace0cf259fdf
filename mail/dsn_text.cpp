#include "mail/dsn_text.hpp"

#include <algorithm>

#include "base/utf8.hpp"
#include "mail/date.hpp"
#include "mail/dsn_fields.hpp"

namespace posthorn::mail {
namespace {

constexpr std::size_t kColumns = 74;
constexpr std::size_t kMaxWord = 900;     // octets without a space; RFC 5322 §2.1.1 has lines of 998 at most
constexpr std::size_t kMaxText = 2000;    // octets of one paragraph
constexpr std::size_t kMaxQuoted = 1000;  // octets of a server's own words

struct Row {
    std::string_view code;  // "5.1.1", or with 'x' for what does not matter: "x.4.x"
    Explanation explanation;
};

// RFC 3463, RFC 5248's registry, RFC 7505, in plain words. The first row that fits counts.
constexpr Row kRows[] = {
    {"x.1.1",
     {"There is no such address at the recipient's mail provider.",
      "Check the address for typing errors, or ask the recipient for the right one."}},
    {"x.1.2",
     {"The part of the address behind the @ does not exist as a place that takes mail.",
      "Check it for typing errors."}},
    {"x.1.3",
     {"The address is not written in a way that the recipient's server understands.",
      "Check the address for typing errors."}},
    {"x.1.6",
     {"The mailbox has moved, and its new address is not known here.", "Ask the recipient for the new address."}},
    {"x.1.7",
     {"The recipient's server does not accept your own address as it is written.",
      "Check the sender address that your mail program is set up with."}},
    {"x.1.8",
     {"The recipient's server cannot find the domain of your own address.",
      "Ask your own mail administrator to check your domain."}},
    {"x.1.10",
     {"The recipient's domain says that it takes no mail at all.",
      "Check the part of the address behind the @, or reach the recipient in another way."}},
    {"x.2.1", {"The mailbox exists, but takes no messages.", "Reach the recipient in another way."}},
    {"x.2.2",
     {"The recipient's mailbox is full.", "Send the message again later, or reach the recipient in another way."}},
    {"x.2.3",
     {"The message is larger than the recipient's mailbox allows.",
      "Send a smaller message, or share large files in another way."}},
    {"x.2.4", {"The address is a mailing list that could not pass the message on.", "Ask the owner of the list."}},
    {"x.3.1", {"The recipient's server has no room for mail at the moment.", "Send the message again later."}},
    {"x.3.4",
     {"The message is larger than the recipient's server takes.",
      "Send a smaller message, or share large files in another way."}},
    {"x.3.x",
     {"The recipient's mail server has a problem of its own.",
      "Send the message again later. If it goes on, reach the recipient in another way."}},
    {"x.4.1",
     {"The recipient's mail server cannot be reached.",
      "Check the part of the address behind the @, and send the message again later."}},
    {"x.4.3",
     {"It could not be found out which server takes mail for the recipient's domain.",
      "Check the part of the address behind the @, and send the message again later."}},
    {"x.4.4",
     {"No server was found that takes mail for the recipient's domain.",
      "Check the part of the address behind the @ for typing errors."}},
    {"x.4.6",
     {"The message was passed round in a circle.",
      "Ask the administrator of the recipient's mail, whose set-up sends mail back to where it came from."}},
    {"x.4.7",
     {"The message could not be delivered in the time there is for it.",
      "Send the message again later, or reach the recipient in another way."}},
    {"x.4.x",
     {"The connection to the recipient's mail server does not work.",
      "Send the message again later. If it goes on, reach the recipient in another way."}},
    {"x.5.3",
     {"The message has more recipients than the server takes at once.", "Send it to fewer recipients at a time."}},
    {"x.5.x",
     {"Our server and the recipient's did not understand each other.",
      "Forward this report to the postmaster named below."}},
    {"x.6.1",
     {"The recipient's server does not take the kind of content in the message.",
      "Send the content in another form."}},
    {"x.6.3",
     {"The recipient's server does not take messages in this form.",
      "Send plain text, or reach the recipient in another way."}},
    {"x.6.7",
     {"The recipient's server does not take addresses or headers with letters beyond a-z.",
      "Use addresses without such letters, if there are any."}},
    {"x.6.9",
     {"The recipient's server does not take addresses or headers with letters beyond a-z.",
      "Use addresses without such letters, if there are any."}},
    {"x.6.x",
     {"The recipient's server does not accept the content of the message.",
      "The server's own words below may say what it does not like."}},
    {"x.7.1",
     {"The recipient's server does not accept this message from you, by its own rules.",
      "The server's own words below may say why. The recipient's provider decides this; only it can change it."}},
    {"x.7.4",
     {"The servers could not agree on a secure connection.", "Forward this report to the postmaster named below."}},
    {"x.7.5",
     {"The servers could not agree on a secure connection.", "Forward this report to the postmaster named below."}},
    {"x.7.8",
     {"The server that our mail goes through did not accept our password.",
      "Forward this report to the postmaster named below."}},
    {"x.7.x",
     {"The recipient's server refused the message for reasons of security or policy.",
      "The server's own words below may say why. The recipient's provider decides this; only it can change it."}},
    {"x.1.x", {"The recipient's server does not accept the address.", "Check the address for typing errors."}},
    {"x.2.x", {"Something is wrong with the recipient's mailbox.", "Reach the recipient in another way."}},
};

bool fits(std::string_view pattern, std::string_view status) {
    status.remove_prefix(std::min<std::size_t>(2, status.size()));
    pattern.remove_prefix(2);
    const auto any = pattern.ends_with(".x");
    return any ? status.starts_with(pattern.substr(0, pattern.size() - 1)) : status == pattern;
}

// Appends `words` in lines of kColumns behind `indent`; what is in them can end no line itself.
void wrap(std::string& out, std::string_view words, std::string_view indent) {
    const auto shown = base::printable(words, kMaxText);
    std::string_view text = shown;
    std::size_t column = 0;
    while (!text.empty()) {
        if (text.front() == ' ') {
            text.remove_prefix(1);
            continue;
        }
        auto word = text.substr(0, std::min(text.find(' '), text.size()));
        word = word.substr(0, base::printable(word, kMaxWord).size());
        text.remove_prefix(word.size());
        if (column != 0 && column + 1 + word.size() > kColumns) {
            out += "\r\n";
            column = 0;
        }
        out += column == 0 ? indent : " ";
        out += word;
        column += (column == 0 ? indent.size() : 1) + word.size();
    }
    out += "\r\n";
}

std::string_view opening(DsnAction action, bool several) {
    switch (action) {
        case DsnAction::failed:
            return several
                       ? "Your message could not be delivered to the recipients below. They have not received it, "
                         "and "
                         "it will not be tried again."
                       : "Your message could not be delivered to the recipient below. It was not received, and it "
                         "will not be tried again.";
        case DsnAction::delayed:
            return "Your message has not been delivered yet. You need not send it again: it is kept here and tried "
                   "again "
                   "and again.";
        default: return "You asked to be told what becomes of your message.";
    }
}

std::string_view success_text(DsnAction action) {
    if (action == DsnAction::delivered) return "The message was delivered to the recipient's mailbox.";
    if (action == DsnAction::expanded) {
        return "The message was passed on to the addresses behind this one. You will not hear from each of them.";
    }
    return "The message was taken by the next mail server, which does not report deliveries. You will hear no more "
           "of it, unless it fails.";
}

std::string server_name(const Outcome& outcome) {
    if (outcome.remote_host.empty()) return outcome.remote_ip;
    return outcome.remote_ip.empty() ? outcome.remote_host : outcome.remote_host + " [" + outcome.remote_ip + ']';
}

// The words of the server, or ours, for whom they help.
void quote(std::string& out, const Outcome& outcome) {
    if (outcome.code == 0 && outcome.text.empty()) return;
    const auto server = server_name(outcome);
    if (outcome.code == 0) {
        wrap(out, "In technical terms:", "    ");
    } else if (server.empty()) {
        wrap(out, "The server said:", "    ");
    } else {
        wrap(out, "The server " + server + " said:", "    ");
    }
    auto said = outcome.code == 0 ? std::string{} : std::to_string(outcome.code) + ' ' + outcome.status + ' ';
    wrap(out, base::printable(said + outcome.text, kMaxQuoted), "        ");
}

void about(std::string& out, const DsnRecipient& recipient) {
    (out += "\r\n  ") += recipient.recipient.address.to_string();
    out += "\r\n";
    if (recipient.action != DsnAction::failed && recipient.action != DsnAction::delayed) {
        return wrap(out, success_text(recipient.action), "    ");
    }
    const auto explanation = explain(sound_status(recipient));
    if (recipient.expired)
        wrap(out, "It was tried again and again, in vain, until the time for it was up.", "    ");
    wrap(out, explanation.why, "    ");
    if (recipient.action == DsnAction::failed && !explanation.advice.empty()) wrap(out, explanation.advice, "    ");
    quote(out, recipient.outcome);
}

}  // namespace

Explanation explain(std::string_view status) {
    for (const auto& row : kRows) {
        if (fits(row.code, status)) return row.explanation;
    }
    return {"The recipient's server did not accept the message, and did not say clearly why.",
            "The server's own words below may help. Otherwise reach the recipient in another way."};
}

std::string dsn_subject(DsnAction action) {
    switch (action) {
        case DsnAction::failed: return "Undelivered: your message could not be delivered";
        case DsnAction::delayed: return "Delayed: your message has not been delivered yet";
        case DsnAction::delivered: return "Delivered: your message has arrived";
        default: break;
    }
    return "Passed on: what became of your message";
}

std::string dsn_text(const DsnRequest& request, bool whole) {
    const auto action = request.recipients.front().action;
    std::string out;
    wrap(out, "This is the mail server " + request.reporting_mta + '.', "");
    out += "\r\n";
    wrap(out, opening(action, request.recipients.size() > 1), "");
    if (action == DsnAction::delayed && request.retry_until) {
        wrap(out, "If it still cannot be delivered by " + date_text(*request.retry_until) + ", you will be told.",
             "");
    }
    for (const auto& recipient : request.recipients) about(out, recipient);
    out += "\r\n";
    wrap(out,
         "The message arrived here on " + date_text(request.parent->arrival) + " and has the number " +
             request.parent->id.to_string() + (whole ? ". It is attached." : ". Its header is attached."),
         "");
    if (!request.postmaster.empty()) {
        wrap(out, "For help, write to " + request.postmaster + " and include this report.", "");
    }
    return out;
}

}  // namespace posthorn::mail
