// mbox: messages one behind the other, each after a line "From ". Lines of a message that look so are quoted by a ">" (mboxrd;
// mboxo, where it is only one, reads the same). Status, X-Status and X-Keywords are what a mail program kept of it.
#include <algorithm>
#include <cstdio>
#include <deque>
#include <filesystem>
#include <map>

#include "base/ascii.hpp"
#include "base/sha256.hpp"
#include "ctl/mail_names.hpp"
#include "ctl/mail_source.hpp"

namespace posthorn::ctl {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kFrom = "From ";
constexpr std::string_view kSuffix = ".mbox";

struct Box {
    std::string path;
    std::string mailbox;
};

struct Kept {  // of the header
    std::string status, x_status, keywords;
    bool has_status = false, has_x_status = false, has_keywords = false;
};

void add_words(std::string_view text, std::vector<std::string>& out) {
    std::string word;
    for (const char c : text) {
        if (c != ' ' && c != ',' && c != '\t' && c != '\r' && c != '\n') {
            word += c;
        } else if (!word.empty()) {
            out.push_back(std::exchange(word, {}));
        }
    }
    if (!word.empty()) out.push_back(std::move(word));
}

std::vector<std::string> flags_of(const Kept& kept) {
    std::vector<std::string> out;
    const auto add = [&](const std::string& where, char letter, const char* flag) {
        if (where.find(letter) != std::string::npos) out.emplace_back(flag);
    };
    add(kept.status, 'R', "\\Seen");
    add(kept.x_status, 'A', "\\Answered");
    add(kept.x_status, 'F', "\\Flagged");
    add(kept.x_status, 'D', "\\Deleted");
    add(kept.x_status, 'T', "\\Draft");
    add_words(kept.keywords, out);
    return out;
}

bool is_quoted(std::string_view line) {
    const auto at = line.find_first_not_of('>');
    return at != std::string_view::npos && at > 0 && line.substr(at).starts_with(kFrom);
}

std::string hex(std::string_view text) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string out;
    for (const auto octet : base::sha256(text)) {
        out += kDigits[octet >> 4U];
        out += kDigits[octet & 15U];
    }
    return out;
}

class MboxSource final : public MailSource {
public:
    base::Result<void> look(const std::string& path) {
        std::error_code code;
        if (!fs::is_directory(path, code)) {
            boxes_.push_back({path, "INBOX"});
        } else {
            find(path, {});
            if (boxes_.empty()) return base::fail(base::ErrorKind::permanent, path + " holds no mbox");
        }
        return {};
    }

    base::Result<std::optional<FileMessage>> next() override {
        while (true) {
            while (!file_) {
                if (boxes_.empty()) return std::nullopt;
                if (auto done = enter(); !done) return std::unexpected(done.error());
            }
            auto message = read();
            if (!message) return std::unexpected(message.error());
            if (!file_ || !from_) file_.reset();
            if (*message) return message;
        }
    }

private:
    using FilePtr = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

    void find(const std::string& folder, const std::string& above) {
        std::error_code code;
        std::vector<fs::path> entries;
        for (fs::directory_iterator it(folder, code), end; !code && it != end; it.increment(code))
            entries.push_back(it->path());
        std::ranges::sort(entries);
        for (const auto& entry : entries) {
            const std::string name = entry.filename();
            if (name.starts_with('.')) continue;
            if (fs::is_directory(entry, code)) {
                find(entry, above + level_of_file(name) + '/');
            } else if (fs::is_regular_file(entry, code)) {
                std::string_view level = name;
                if (level.ends_with(kSuffix)) level.remove_suffix(kSuffix.size());
                boxes_.push_back({entry, above + level_of_file(level)});
            }
        }
    }

    base::Result<void> enter() {
        at_ = std::move(boxes_.front());
        boxes_.pop_front();
        file_ = FilePtr(std::fopen(at_.path.c_str(), "re"), &std::fclose);
        if (!file_) return base::fail_errno("open " + at_.path, errno);
        seen_.clear();
        if (!line() || !line_.starts_with(kFrom)) {
            if (!line_.empty()) warn(at_.path + ": no mbox; passed over");
            file_.reset();
            return {};
        }
        from_ = line_;
        return {};
    }

    // The next line without its end; false at the end of the file.
    bool line() {
        line_.clear();
        char* buffer = nullptr;
        std::size_t space = 0;
        const auto got = ::getline(&buffer, &space, file_.get());
        if (got > 0) line_.assign(buffer, static_cast<std::size_t>(got));
        std::free(buffer);
        if (got <= 0) return false;
        if (line_.ends_with('\n')) line_.pop_back();
        if (line_.ends_with('\r')) line_.pop_back();
        return true;
    }

    // From behind its "From " line, which stands in from_, to the next one, which then does.
    base::Result<std::optional<FileMessage>> read() {
        FileMessage out;
        out.mailbox = at_.mailbox;
        const auto date = parse_asctime(*from_);
        from_.reset();
        Kept kept;
        bool header = true;
        bool blank = false;     // one that may belong to what follows
        bool dropping = false;  // a field's further lines
        while (line()) {
            if (blank && line_.starts_with(kFrom)) {
                from_ = line_;
                break;
            }
            if (blank) out.text += "\r\n";
            blank = false;
            if (out.text.size() + line_.size() > kMaxFileMessage)
                return base::fail(base::ErrorKind::permanent, at_.path + ": a message in it is too large");
            if (line_.empty()) {
                header = false;
                blank = true;
                continue;
            }
            if (header) {
                dropping = (dropping && (line_[0] == ' ' || line_[0] == '\t')) || keep(kept);
                if (dropping) continue;
            }
            out.text += is_quoted(line_) ? std::string_view(line_).substr(1) : std::string_view(line_);
            out.text += "\r\n";
        }
        if (std::ferror(file_.get()) != 0) return base::fail_errno("read " + at_.path, errno);
        // A header alone ends with its empty line.
        if (blank && out.text.find("\r\n\r\n") == std::string::npos) out.text += "\r\n";
        if (out.text.empty()) return std::nullopt;
        out.flags = flags_of(kept);
        out.received_ms = date ? *date : mtime();
        const auto sum = hex(out.text);
        out.key = sum + '-' + std::to_string(seen_[sum]++);
        return out;
    }

    // The first of each is the mail program's.
    bool keep(Kept& kept) {
        const auto take = [&](std::string_view name, std::string& value, bool& has) {
            if (has || line_.size() <= name.size() || !base::iequals(line_.substr(0, name.size()), name))
                return false;
            value = line_.substr(name.size());
            return has = true;
        };
        return take("Status:", kept.status, kept.has_status) ||
               take("X-Status:", kept.x_status, kept.has_x_status) ||
               take("X-Keywords:", kept.keywords, kept.has_keywords);
    }

    std::int64_t mtime() const {
        std::error_code code;
        const auto at = fs::last_write_time(at_.path, code);
        const auto wall = std::chrono::file_clock::to_sys(at);
        return std::chrono::duration_cast<std::chrono::milliseconds>(wall.time_since_epoch()).count();
    }

    std::deque<Box> boxes_;
    Box at_;
    FilePtr file_{nullptr, &std::fclose};
    std::optional<std::string> from_;
    std::string line_;
    std::map<std::string, int> seen_;
};

}  // namespace

base::Result<std::unique_ptr<MailSource>> open_mbox(const std::string& path) {
    auto out = std::make_unique<MboxSource>();
    if (auto done = out->look(path); !done) return std::unexpected(done.error());
    return out;
}

}  // namespace posthorn::ctl
