// A file a message, "*.eml"; a folder is a mailbox, the outermost is INBOX. A file ".flags" beside them says of each by
// name what it has: "0000000001.eml \Seen $Forwarded".
#include <sys/stat.h>

#include <algorithm>
#include <deque>
#include <filesystem>
#include <map>

#include "ctl/mail_names.hpp"
#include "ctl/mail_source.hpp"

namespace posthorn::ctl {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxFlagFile = std::uint64_t{1} << 30U;  // octets

std::map<std::string, std::vector<std::string>> read_flags(const std::string& folder) {
    std::map<std::string, std::vector<std::string>> out;
    const auto text = read_file(folder + "/.flags", kMaxFlagFile);
    if (!text) return out;
    std::string_view left = *text;
    while (!left.empty()) {
        const auto end = left.find('\n');
        std::vector<std::string> words;
        for (std::string_view line = left.substr(0, end); !line.empty();) {
            const auto space = line.find(' ');
            if (space != 0) words.emplace_back(line.substr(0, space));
            line.remove_prefix(space == std::string_view::npos ? line.size() : space + 1);
        }
        if (words.size() > 1) out[words[0]].assign(words.begin() + 1, words.end());
        if (end == std::string_view::npos) break;
        left.remove_prefix(end + 1);
    }
    return out;
}

class EmlSource final : public MailSource {
public:
    base::Result<void> look(const std::string& path) {
        std::error_code code;
        if (!fs::is_directory(path, code)) return base::fail_errno("read " + path, ENOTDIR);
        find(path, {});
        if (files_.empty()) return base::fail(base::ErrorKind::permanent, path + " holds no *.eml");
        return {};
    }

    base::Result<std::optional<FileMessage>> next() override {
        while (!files_.empty()) {
            const auto [path, mailbox] = std::move(files_.front());
            files_.pop_front();
            auto message = load(path, mailbox);
            if (message) return message;
            warn(message.error().log_text);
        }
        return std::nullopt;
    }

private:
    void find(const std::string& folder, const std::string& mailbox) {
        std::error_code code;
        std::vector<fs::path> entries;
        for (fs::directory_iterator it(folder, code), end; !code && it != end; it.increment(code))
            entries.push_back(it->path());
        if (code) warn(folder + ": " + code.message() + "; passed over");
        std::ranges::sort(entries);
        for (const auto& entry : entries) {
            if (entry.extension() == ".eml" && fs::is_regular_file(entry, code))
                files_.emplace_back(entry, mailbox.empty() ? "INBOX" : mailbox);
        }
        for (const auto& entry : entries) {
            const std::string name = entry.filename();
            if (!name.starts_with('.') && fs::is_directory(entry, code))
                find(entry, (mailbox.empty() ? "" : mailbox + '/') + level_of_file(name));
        }
    }

    base::Result<std::optional<FileMessage>> load(const std::string& path, const std::string& mailbox) {
        struct stat st{};
        if (::stat(path.c_str(), &st) != 0) return base::fail_errno("stat " + path, errno);
        const auto text = read_file(path, kMaxFileMessage);
        if (!text) return std::unexpected(text.error());
        if (text->empty()) return base::fail(base::ErrorKind::permanent, path + ": empty; passed over");
        const auto slash = path.rfind('/');
        if (path.substr(0, slash) != folder_) {
            folder_ = path.substr(0, slash);
            flags_ = read_flags(folder_);
        }
        FileMessage out;
        out.mailbox = mailbox;
        out.key = path.substr(slash + 1);
        if (const auto found = flags_.find(out.key); found != flags_.end()) out.flags = found->second;
        out.received_ms = std::int64_t{st.st_mtim.tv_sec} * 1000 + st.st_mtim.tv_nsec / 1'000'000;
        out.text = with_crlf(*text);
        return out;
    }

    std::deque<std::pair<std::string, std::string>> files_;
    std::string folder_;
    std::map<std::string, std::vector<std::string>> flags_;
};

}  // namespace

base::Result<std::unique_ptr<MailSource>> open_eml(const std::string& path) {
    auto out = std::make_unique<EmlSource>();
    if (auto done = out->look(path); !done) return std::unexpected(done.error());
    return out;
}

base::Result<std::unique_ptr<MailSource>> open_mail_source(std::string_view format, const std::string& path) {
    if (format == "maildir") return open_maildir(path);
    if (format == "mbox") return open_mbox(path);
    return open_eml(path);
}

}  // namespace posthorn::ctl
