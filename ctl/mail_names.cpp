#include "ctl/mail_names.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>

#include "base/ascii.hpp"
#include "base/fd.hpp"
#include "mail/utf7.hpp"

namespace posthorn::ctl {
namespace {

struct Letter {
    char letter;
    std::string_view flag;
};
// The last is a keyword by which IMAP clients tell the same (RFC 9051 §2.3.2).
constexpr std::array kLetters = {Letter{'D', "\\Draft"},    Letter{'F', "\\Flagged"}, Letter{'P', "$Forwarded"},
                                 Letter{'R', "\\Answered"}, Letter{'S', "\\Seen"},    Letter{'T', "\\Deleted"}};
constexpr std::size_t kMaxKeywords = 26;
constexpr std::string_view kMbox = ".mbox";

constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr std::array<std::string_view, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};

std::optional<int> number(std::string_view text) {
    int out = 0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), out);
    if (code != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
    return out;
}

std::vector<std::string_view> split(std::string_view text, char at, bool empty_ones) {
    std::vector<std::string_view> out;
    while (true) {
        const auto end = text.find(at);
        const auto word = text.substr(0, end);
        if (!word.empty() || empty_ones) out.push_back(word);
        if (end == std::string_view::npos) return out;
        text.remove_prefix(end + 1);
    }
}

// "+0100", in seconds.
std::optional<std::int64_t> zone(std::string_view word) {
    if (word.size() != 5 || (word[0] != '+' && word[0] != '-')) return std::nullopt;
    const auto hours = number(word.substr(1, 2));
    const auto minutes = number(word.substr(3, 2));
    if (!hours || !minutes) return std::nullopt;
    return (word[0] == '-' ? -1 : 1) * (*hours * 3600 + *minutes * 60);
}

}  // namespace

std::string maildir_folder(std::string_view mailbox) {
    if (mailbox == "INBOX") return {};
    std::string out;
    for (const auto level : split(mailbox, '/', true)) out += '.' + mail::encode_utf7(level, ".");
    return out;
}

std::optional<std::string> mailbox_of_maildir(std::string_view folder) {
    if (folder.empty()) return "INBOX";
    std::string out;
    for (const auto level : split(folder.substr(1), '.', true)) {
        const auto name = mail::decode_utf7(level, ".");
        if (!name || name->empty()) return std::nullopt;
        if (!out.empty()) out += '/';
        out += *name;
    }
    return out;
}

std::string file_level(std::string_view level) {
    std::string out;
    const auto end = level.ends_with(kMbox) ? level.size() - kMbox.size() : std::string_view::npos;
    for (std::size_t i = 0; i < level.size(); ++i) {
        const char c = level[i];
        if (c == '%' || (c == '.' && (i == 0 || i == end)))
            out += fmt::format("%{:02X}", static_cast<unsigned>(static_cast<unsigned char>(c)));
        else
            out += c;
    }
    return out;
}

std::string level_of_file(std::string_view name) {
    std::string out;
    for (std::size_t i = 0; i < name.size(); ++i) {
        unsigned value = 0;
        if (name[i] == '%' && i + 2 < name.size() &&
            std::from_chars(name.data() + i + 1, name.data() + i + 3, value, 16).ptr == name.data() + i + 3) {
            out += static_cast<char>(value);
            i += 2;
        } else {
            out += name[i];
        }
    }
    return out;
}

std::string file_path(std::string_view mailbox) {
    std::string out;
    for (const auto level : split(mailbox, '/', true)) out += (out.empty() ? "" : "/") + file_level(level);
    return out;
}

std::vector<std::string> flags_of_info(std::string_view letters, const std::vector<std::string>& keywords) {
    std::vector<std::string> out;
    for (const char c : letters) {
        if (c >= 'a' && c <= 'z') {
            const auto at = static_cast<std::size_t>(c - 'a');
            if (at < keywords.size() && !keywords[at].empty()) out.push_back(keywords[at]);
        }
        for (const auto& [letter, flag] : kLetters) {
            if (c == letter) out.emplace_back(flag);
        }
    }
    return out;
}

std::string info_of_flags(const std::vector<std::string>& flags, std::vector<std::string>& keywords) {
    std::string out;
    for (const auto& flag : flags) {
        const auto known =
            std::ranges::find_if(kLetters, [&](const Letter& one) { return base::iequals(one.flag, flag); });
        if (known != kLetters.end()) {
            out += known->letter;
            continue;
        }
        auto at = std::ranges::find(keywords, flag);
        if (at == keywords.end()) {
            if (keywords.size() >= kMaxKeywords) continue;
            at = keywords.insert(keywords.end(), flag);
        }
        out += static_cast<char>('a' + (at - keywords.begin()));
    }
    std::ranges::sort(out);
    return out;
}

std::string with_crlf(std::string_view text) {
    std::string out;
    out.reserve(text.size() + text.size() / 32);
    for (std::size_t at = 0; at < text.size();) {
        const auto end = text.find('\n', at);
        if (end == std::string_view::npos) {
            out += text.substr(at);
            break;
        }
        const bool whole = end > at && text[end - 1] == '\r';
        out += text.substr(at, end - at);
        out += whole ? "\n" : "\r\n";
        at = end + 1;
    }
    return out;
}

base::Result<std::string> read_file(const std::string& path, std::uint64_t most) {
    const base::Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!fd) return base::fail_errno("open " + path, errno);
    struct stat st{};
    if (::fstat(fd.get(), &st) != 0) return base::fail_errno("fstat " + path, errno);
    if (!S_ISREG(st.st_mode)) return base::fail_errno("read " + path, EINVAL);
    if (static_cast<std::uint64_t>(st.st_size) > most) return base::fail_errno("read " + path, EFBIG);
    std::string out(static_cast<std::size_t>(st.st_size), '\0');
    std::size_t have = 0;
    while (have < out.size()) {
        const auto got = ::read(fd.get(), out.data() + have, out.size() - have);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return base::fail_errno("read " + path, errno);
        if (got == 0) break;
        have += static_cast<std::size_t>(got);
    }
    out.resize(have);
    return out;
}

base::Result<void> write_file(const std::string& path, std::string_view content) {
    const auto fresh = path + ".new";
    {
        const base::Fd fd(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
        if (!fd) return base::fail_errno("create " + fresh, errno);
        while (!content.empty()) {
            const auto put = ::write(fd.get(), content.data(), content.size());
            if (put < 0 && errno == EINTR) continue;
            if (put <= 0) return base::fail_errno("write " + fresh, put == 0 ? EIO : errno);
            content.remove_prefix(static_cast<std::size_t>(put));
        }
        if (::fsync(fd.get()) != 0) return base::fail_errno("fsync " + fresh, errno);
    }
    if (::rename(fresh.c_str(), path.c_str()) != 0) return base::fail_errno("rename " + fresh, errno);
    return {};
}

std::optional<std::int64_t> parse_asctime(std::string_view text) {
    auto words = split(text, ' ', false);
    // Behind the day's name: "Nov 19 12:34:56 2026", a zone before or behind the year.
    const auto day_name =
        std::ranges::find_if(words, [](auto word) { return std::ranges::find(kDays, word) != kDays.end(); });
    if (day_name == words.end()) return std::nullopt;
    words.erase(words.begin(), day_name + 1);
    if (words.size() < 4) return std::nullopt;
    const auto month = std::ranges::find(kMonths, words[0]);
    const auto day = number(words[1]);
    const auto clock = split(words[2], ':', true);
    if (month == kMonths.end() || !day || clock.size() < 2 || clock.size() > 3) return std::nullopt;
    std::optional<int> year;
    std::int64_t offset = 0;
    for (std::size_t i = 3; i < words.size(); ++i) {
        if (const auto seconds = zone(words[i]))
            offset = *seconds;
        else if (const auto value = number(words[i]); value && !year)
            year = value;
    }
    const auto hours = number(clock[0]);
    const auto minutes = number(clock[1]);
    const auto seconds = clock.size() == 3 ? number(clock[2]) : 0;
    if (!year || !hours || !minutes || !seconds || *hours > 23 || *minutes > 59 || *seconds > 60)
        return std::nullopt;
    const auto date = std::chrono::year(*year) /
                      std::chrono::month(static_cast<unsigned>(month - kMonths.begin()) + 1) /
                      std::chrono::day(static_cast<unsigned>(*day));
    if (!date.ok()) return std::nullopt;
    const auto days = std::chrono::sys_days(date).time_since_epoch().count();
    return ((std::int64_t{days} * 24 + *hours) * 3600 + *minutes * 60 + *seconds - offset) * 1000;
}

std::string asctime_text(std::int64_t ms) {
    const std::chrono::sys_time<std::chrono::milliseconds> at{std::chrono::milliseconds(ms)};
    const auto day = std::chrono::floor<std::chrono::days>(at);
    const std::chrono::year_month_day date(day);
    const std::chrono::hh_mm_ss time(std::chrono::floor<std::chrono::seconds>(at - day));
    return fmt::format("{} {} {:2} {:02}:{:02}:{:02} {:04}", kDays[std::chrono::weekday(day).c_encoding()],
                       kMonths[static_cast<unsigned>(date.month()) - 1], static_cast<unsigned>(date.day()),
                       time.hours().count(), time.minutes().count(), time.seconds().count(),
                       static_cast<int>(date.year()));
}

}  // namespace posthorn::ctl
