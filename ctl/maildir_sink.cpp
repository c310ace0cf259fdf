#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <set>

#include "base/fd.hpp"
#include "ctl/mail_names.hpp"
#include "ctl/mail_sink.hpp"
#include "ctl/out_file.hpp"

namespace posthorn::ctl {
namespace {

namespace fs = std::filesystem;

class MaildirSink final : public MailSink {
public:
    explicit MaildirSink(std::string path) : path_(std::move(path)) {}

    base::Result<void> mailbox(const std::string& name) override {
        if (auto done = leave(); !done) return done;
        const auto folder = maildir_folder(name);
        at_ = folder.empty() ? path_ : path_ + '/' + folder;
        for (const auto* part : {"", "/cur", "/new", "/tmp"}) {
            if (auto done = make_folder(at_ + part); !done) return done;
        }
        if (!folder.empty()) {  // Maildir++
            if (auto done = write_file(at_ + "/maildirfolder", ""); !done) return done;
        }
        known_.clear();
        std::error_code code;
        for (fs::directory_iterator it(at_ + "/cur", code), end; !code && it != end; it.increment(code)) {
            const std::string file = it->path().filename();
            known_.insert(file.substr(0, file.find(':')));
        }
        keywords_.clear();
        if (const auto text = read_file(at_ + "/dovecot-keywords", 1 << 16)) read_keywords(*text);
        return {};
    }

    base::Result<void> begin(const OutMessage& message) override {
        const auto base =
            fmt::format("{}.V{}U{}.posthorn", message.received_ms / 1000, message.uid_validity, message.uid);
        skip_ = known_.contains(base);
        if (skip_) return {};
        target_ = at_ + "/cur/" + base + ":2," + info_of_flags(message.flags, keywords_);
        cr_ = false;
        return file_.create(at_ + "/tmp/" + base, message.received_ms);
    }

    // Lines end in LF in a Maildir.
    base::Result<void> write(std::string_view octets) override {
        if (skip_) return {};
        std::string plain;
        plain.reserve(octets.size() + 1);
        for (const char c : octets) {
            if (cr_ && c != '\n') plain += '\r';
            cr_ = c == '\r';
            if (!cr_) plain += c;
        }
        return file_.write(plain);
    }

    base::Result<void> end() override {
        if (skip_) return {};
        if (cr_) {
            if (auto done = file_.write("\r"); !done) return done;
        }
        return file_.put(target_);
    }

    base::Result<void> finish() override { return leave(); }

private:
    void read_keywords(std::string_view text) {
        while (!text.empty()) {
            const auto line = text.substr(0, text.find('\n'));
            if (const auto space = line.find(' '); space != std::string_view::npos)
                keywords_.emplace_back(line.substr(space + 1));
            text.remove_prefix(std::min(line.size() + 1, text.size()));
        }
    }

    base::Result<void> leave() {
        if (at_.empty()) return {};
        std::string text;
        for (std::size_t i = 0; i < keywords_.size(); ++i) text += fmt::format("{} {}\n", i, keywords_[i]);
        if (!text.empty()) {
            if (auto done = write_file(at_ + "/dovecot-keywords", text); !done) return done;
        }
        return sync_folder(at_ + "/cur");
    }

    const std::string path_;
    std::string at_;
    std::set<std::string> known_;
    std::vector<std::string> keywords_;
    OutFile file_;
    std::string target_;
    bool skip_ = false;
    bool cr_ = false;
};

}  // namespace

std::unique_ptr<MailSink> maildir_sink(std::string path) { return std::make_unique<MaildirSink>(std::move(path)); }

}  // namespace posthorn::ctl
