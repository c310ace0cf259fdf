// Maildir and Maildir++, and Maildirs within folders (as mutt and Dovecot's "fs" layout have them).
#include <sys/stat.h>

#include <algorithm>
#include <deque>
#include <filesystem>

#include "ctl/mail_names.hpp"
#include "ctl/mail_source.hpp"

namespace posthorn::ctl {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxKeywordFile = std::uint64_t{64} << 10U;  // octets
constexpr int kMaxDepth = 30;

struct Folder {
    std::string path;
    std::string mailbox;
};

bool is_folder(const std::string& path) {
    std::error_code code;
    return fs::is_directory(path, code);
}

bool is_maildir(const std::string& path) { return is_folder(path + "/cur") && is_folder(path + "/new"); }

base::Result<std::vector<std::string>> names_in(const std::string& path) {
    std::error_code code;
    std::vector<std::string> out;
    for (fs::directory_iterator it(path, code), end; !code && it != end; it.increment(code))
        out.push_back(it->path().filename());
    if (code) return base::fail_errno("read " + path, code.value());
    std::ranges::sort(out);
    return out;
}

// "0 $Junk", one a line.
std::vector<std::string> read_keywords(const std::string& path) {
    std::vector<std::string> out;
    const auto text = read_file(path + "/dovecot-keywords", kMaxKeywordFile);
    if (!text) return out;
    std::string_view left = *text;
    while (!left.empty()) {
        const auto end = left.find('\n');
        const auto line = left.substr(0, end);
        const auto space = line.find(' ');
        const auto index = space == std::string_view::npos ? std::string_view() : line.substr(0, space);
        if (!index.empty() && index.size() <= 2 &&
            index.find_first_not_of("0123456789") == std::string_view::npos) {
            const auto at = static_cast<std::size_t>(std::stoi(std::string(index)));
            if (at < 26) {
                if (out.size() <= at) out.resize(at + 1);
                out[at] = line.substr(space + 1);
            }
        }
        if (end == std::string_view::npos) break;
        left.remove_prefix(end + 1);
    }
    return out;
}

class MaildirSource final : public MailSource {
public:
    base::Result<void> look(const std::string& root) {
        std::vector<Folder> found;
        if (auto done = find(root, {}, 0, found); !done) return done;
        if (found.empty()) return base::fail(base::ErrorKind::permanent, root + " holds no Maildir");
        folders_.assign(found.begin(), found.end());
        return {};
    }

    base::Result<std::optional<FileMessage>> next() override {
        while (true) {
            while (files_.empty()) {
                if (folders_.empty()) return std::nullopt;
                if (auto done = enter(); !done) return std::unexpected(done.error());
            }
            const auto file = std::move(files_.front());
            files_.pop_front();
            auto message = load(file);
            if (message) return message;
            warn(message.error().log_text);
        }
    }

private:
    base::Result<void> find(const std::string& path, const std::string& mailbox, int depth,
                            std::vector<Folder>& found) {
        if (depth > kMaxDepth) return {};
        if (is_maildir(path)) found.push_back({path, mailbox.empty() ? "INBOX" : mailbox});
        const auto names = names_in(path);
        if (!names) return std::unexpected(names.error());
        for (const auto& name : *names) {
            const auto below = path + '/' + name;
            if (name == "cur" || name == "new" || name == "tmp" || !is_folder(below)) continue;
            if (name.starts_with('.')) {
                if (!is_maildir(below)) continue;
                const auto decoded = mailbox_of_maildir(name);
                if (!decoded) {
                    warn(below + ": its name is no mailbox's; passed over");
                    continue;
                }
                found.push_back({below, mailbox.empty() ? *decoded : mailbox + '/' + *decoded});
                continue;
            }
            if (auto done = find(below, mailbox.empty() ? name : mailbox + '/' + name, depth + 1, found); !done)
                return done;
        }
        return {};
    }

    base::Result<void> enter() {
        at_ = std::move(folders_.front());
        folders_.pop_front();
        keywords_ = read_keywords(at_.path);
        for (const auto* part : {"/cur", "/new"}) {
            const auto names = names_in(at_.path + part);
            if (!names) return std::unexpected(names.error());
            for (const auto& name : *names) {
                if (!name.starts_with('.')) files_.push_back(at_.path + part + '/' + name);
            }
        }
        return {};
    }

    base::Result<std::optional<FileMessage>> load(const std::string& path) {
        struct stat st{};
        if (::stat(path.c_str(), &st) != 0) return base::fail_errno("stat " + path, errno);
        auto text = read_file(path, kMaxFileMessage);
        if (!text) return std::unexpected(text.error());
        if (text->empty()) return base::fail(base::ErrorKind::permanent, path + ": empty; passed over");
        FileMessage out;
        out.mailbox = at_.mailbox;
        const auto name = path.substr(path.rfind('/') + 1);
        const auto info = name.find(":2,");
        out.key = name.substr(0, name.find(':'));
        if (info != std::string::npos) out.flags = flags_of_info(name.substr(info + 3), keywords_);
        out.received_ms = std::int64_t{st.st_mtim.tv_sec} * 1000 + st.st_mtim.tv_nsec / 1'000'000;
        out.text = with_crlf(*text);
        return out;
    }

    std::deque<Folder> folders_;
    std::deque<std::string> files_;
    Folder at_;
    std::vector<std::string> keywords_;
};

}  // namespace

base::Result<std::unique_ptr<MailSource>> open_maildir(const std::string& path) {
    auto out = std::make_unique<MaildirSource>();
    if (auto done = out->look(path); !done) return std::unexpected(done.error());
    return out;
}

}  // namespace posthorn::ctl
