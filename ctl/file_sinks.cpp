// mboxes and folders of *.eml; ctl/mbox_source.cpp and ctl/eml_source.cpp say how they are made.
#include <fmt/format.h>
#include <sys/stat.h>

#include <utility>

#include "base/clock.hpp"
#include "ctl/mail_names.hpp"
#include "ctl/mail_sink.hpp"
#include "ctl/out_file.hpp"

namespace posthorn::ctl {
namespace {

class MboxSink final : public MailSink {
public:
    explicit MboxSink(std::string path) : path_(std::move(path)) {}

    base::Result<void> mailbox(const std::string& name) override {
        if (auto done = leave(); !done) return done;
        target_ = path_ + '/' + file_path(name) + ".mbox";
        if (auto done = make_folder(target_.substr(0, target_.rfind('/'))); !done) return done;
        return file_.create(target_ + ".new", base::to_ms(base::SystemClock().wall()));
    }
    base::Result<void> begin(const OutMessage& message) override {
        message_ = message;
        text_.clear();
        return {};
    }
    base::Result<void> write(std::string_view octets) override {
        if (text_.size() + octets.size() > kMaxFileMessage)
            return base::fail(base::ErrorKind::permanent, "a message is too large for an mbox");
        text_ += octets;
        return {};
    }
    base::Result<void> end() override {
        std::string out = "From MAILER-DAEMON " + asctime_text(message_.received_ms) + "\n" + status();
        for (std::string_view left = text_; !left.empty();) {
            const auto end = left.find('\n');
            auto line = left.substr(0, end);
            left.remove_prefix(end == std::string_view::npos ? left.size() : end + 1);
            if (line.ends_with('\r')) line.remove_suffix(1);
            const auto mark = line.find_first_not_of('>');
            if (mark != std::string_view::npos && line.substr(mark).starts_with("From ")) out += '>';
            out += line;
            out += '\n';
        }
        return file_.write(out + '\n');
    }
    base::Result<void> finish() override { return leave(); }

private:
    std::string status() const {
        std::string seen = "O";
        std::string other;
        std::string keywords;
        for (const auto& flag : message_.flags) {
            if (flag == "\\Seen")
                seen = "RO";
            else if (flag == "\\Answered")
                other += 'A';
            else if (flag == "\\Flagged")
                other += 'F';
            else if (flag == "\\Deleted")
                other += 'D';
            else if (flag == "\\Draft")
                other += 'T';
            else
                keywords += ' ' + flag;
        }
        return "Status: " + seen + "\nX-Status: " + other + "\nX-Keywords:" + (keywords.empty() ? " " : keywords) +
               "\n";
    }
    base::Result<void> leave() {
        if (target_.empty()) return {};
        return file_.put(std::exchange(target_, {}));
    }

    const std::string path_;
    std::string target_;
    OutFile file_;
    OutMessage message_;
    std::string text_;
};

class EmlSink final : public MailSink {
public:
    explicit EmlSink(std::string path) : path_(std::move(path)) {}

    base::Result<void> mailbox(const std::string& name) override {
        if (auto done = leave(); !done) return done;
        at_ = name == "INBOX" ? path_ : path_ + '/' + file_path(name);
        flags_.clear();
        return make_folder(at_);
    }
    base::Result<void> begin(const OutMessage& message) override {
        const auto name = fmt::format("{}-{:010}.eml", message.uid_validity, message.uid);
        target_ = at_ + '/' + name;
        if (!message.flags.empty()) {
            flags_ += name;
            for (const auto& flag : message.flags) flags_ += ' ' + flag;
            flags_ += '\n';
        }
        struct stat st{};
        skip_ = ::stat(target_.c_str(), &st) == 0;
        if (skip_) return {};
        return file_.create(target_ + ".new", message.received_ms);
    }
    base::Result<void> write(std::string_view octets) override {
        if (skip_) return {};
        return file_.write(octets);
    }
    base::Result<void> end() override {
        if (skip_) return {};
        return file_.put(target_);
    }
    base::Result<void> finish() override { return leave(); }

private:
    base::Result<void> leave() {
        if (at_.empty()) return {};
        if (!flags_.empty()) {
            if (auto done = write_file(at_ + "/.flags", flags_); !done) return done;
        }
        return sync_folder(at_);
    }

    const std::string path_;
    std::string at_;
    std::string target_;
    std::string flags_;
    OutFile file_;
    bool skip_ = false;
};

}  // namespace

std::unique_ptr<MailSink> mbox_sink(std::string path) { return std::make_unique<MboxSink>(std::move(path)); }
std::unique_ptr<MailSink> eml_sink(std::string path) { return std::make_unique<EmlSink>(std::move(path)); }

base::Result<std::unique_ptr<MailSink>> open_mail_sink(std::string_view format, const std::string& path) {
    if (auto made = make_folder(path); !made) return std::unexpected(made.error());
    if (format == "maildir") return maildir_sink(path);
    if (format == "mbox") return mbox_sink(path);
    return eml_sink(path);
}

}  // namespace posthorn::ctl
