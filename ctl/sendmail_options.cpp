#include "ctl/sendmail_options.hpp"

#include <fmt/format.h>

#include "base/ascii.hpp"

namespace posthorn::ctl {
namespace {

using Mode = SendmailOptions::Mode;

// Options with a value, attached or as the next word.
constexpr std::string_view kWithValue = "BCFNOQRVXbdefhopqr";
// Of those, the ones whose value must be attached if there is one: "-q" and "-oi" stand alone.
constexpr std::string_view kAttachedOnly = "deoq";

struct Known {
    std::string_view option;
    std::string_view help;
};
constexpr Known kKnown[] = {
    {"-t", "The recipients are those of To, Cc and Bcc; Bcc is taken out."},
    {"-i, -oi", "A line with a single dot is text and does not end the message."},
    {"-f, -r SENDER", "The sender that bounces go to; <> for none."},
    {"-F NAME", "The sender's name, for a From header that is missing."},
    {"-N NOTIFY", "Reports wanted: never, or of success, failure, delay with commas between them."},
    {"-R full|hdrs", "How much of the message a report holds."},
    {"-V ENVID", "A name that reports repeat."},
    {"-C CONFIG", "The server's configuration, for where its folders are."},
    {"-bs", "SMTP on standard input and output."},
    {"--version", "The version."},
    {"--help", "This text."},
};

class Parser {
public:
    explicit Parser(std::span<const std::string> words) : words_(words) {}

    std::expected<SendmailOptions, std::string> run() {
        bool only_plain = false;
        while (next_ < words_.size() && error_.empty()) {
            const std::string& word = words_[next_++];
            if (!only_plain && word == "--")
                only_plain = true;
            else if (!only_plain && word.starts_with("--"))
                long_option(word);
            else if (!only_plain && word.size() > 1 && word[0] == '-')
                option(word);
            else
                out_.recipients.push_back(word);
        }
        const bool submits = out_.mode == Mode::submit;
        if (error_.empty() && submits && out_.recipients.empty() && !out_.recipients_from_header)
            error_ = "no recipients: name them, or use -t";
        if (!error_.empty()) return std::unexpected(error_);
        return std::move(out_);
    }

private:
    void long_option(const std::string& word) {
        if (word == "--version")
            out_.mode = Mode::version;
        else if (word == "--help")
            out_.mode = Mode::help;
        else
            error_ = fmt::format("unknown option {}", word);
    }

    void option(const std::string& word) {
        const char letter = word[1];
        std::string value = word.substr(2);
        if (kWithValue.find(letter) != std::string_view::npos && value.empty() &&
            kAttachedOnly.find(letter) == std::string_view::npos) {
            if (next_ == words_.size()) {
                error_ = fmt::format("option -{} wants a value", letter);
                return;
            }
            value = words_[next_++];
        }
        apply(letter, value);
    }

    void apply(char letter, const std::string& value) {
        switch (letter) {
            case 't': flags("t" + value); break;
            case 'i': flags("i" + value); break;
            case 'f':
            case 'r': out_.sender = value; break;
            case 'C': out_.config = value; break;
            case 'F': out_.full_name = value; break;
            case 'N': notify(value); break;
            case 'R': ret(value); break;
            case 'V': out_.envid = value; break;
            case 'b': mode(value); break;
            case 'o':
                if (value == "i") out_.dot_ends = false;
                break;
            case 'v':
            case 'm':
            case 'n':
            case 's':
            case 'U':
            case 'G':
            case 'A':
            case 'L': break;
            default:
                if (kWithValue.find(letter) == std::string_view::npos)
                    error_ = fmt::format("unknown option -{}", letter);
        }
    }

    // "-ti" is -t and -i.
    void flags(std::string_view letters) {
        for (const char letter : letters) {
            if (letter == 't')
                out_.recipients_from_header = true;
            else if (letter == 'i')
                out_.dot_ends = false;
            else
                error_ = fmt::format("unknown option -{}", letters);
        }
    }

    void mode(const std::string& value) {
        if (value == "m")
            out_.mode = Mode::submit;
        else if (value == "s")
            out_.mode = Mode::smtp;
        else
            error_ = fmt::format("-b{} is not supported{}", value, value == "p" ? ": see mailctl queue list" : "");
    }

    void notify(std::string_view value) {
        while (!value.empty()) {
            const auto comma = value.find(',');
            const auto word = value.substr(0, comma);
            value = comma == std::string_view::npos ? "" : value.substr(comma + 1);
            if (base::iequals(word, "never"))
                out_.notify |= mail::notify::never;
            else if (base::iequals(word, "success"))
                out_.notify |= mail::notify::success;
            else if (base::iequals(word, "failure"))
                out_.notify |= mail::notify::failure;
            else if (base::iequals(word, "delay"))
                out_.notify |= mail::notify::delay;
            else
                error_ = fmt::format("-N takes never, or of success, failure, delay; not {}", word);
        }
        // RFC 3461 §4.1: NEVER stands alone.
        if ((out_.notify & mail::notify::never) != 0 && out_.notify != mail::notify::never)
            error_ = "-N never excludes the others";
    }

    void ret(const std::string& value) {
        if (base::iequals(value, "full"))
            out_.ret = mail::DsnReturn::full;
        else if (base::iequals(value, "hdrs"))
            out_.ret = mail::DsnReturn::headers;
        else
            error_ = fmt::format("-R takes full or hdrs, not {}", value);
    }

    std::span<const std::string> words_;
    std::size_t next_ = 0;
    SendmailOptions out_;
    std::string error_;
};

}  // namespace

std::expected<SendmailOptions, std::string> parse_sendmail_options(std::span<const std::string> words) {
    return Parser(words).run();
}

std::string sendmail_help() {
    std::string out =
        "posthorn-sendmail [OPTION...] [RECIPIENT...]\nposthorn-sendmail -bs [-C CONFIG]\n\n"
        "Takes a message from standard input and hands it to the mail server.\n\n";
    for (const Known& known : kKnown) out += fmt::format("  {:<14} {}\n", known.option, known.help);
    return out;
}

}  // namespace posthorn::ctl
