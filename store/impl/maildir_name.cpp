#include "store/impl/maildir_name.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/sha256.hpp"
#include "mail/utf7.hpp"

namespace posthorn::store::maildir {

namespace {

constexpr std::string_view kOurs = ".posthorn";
constexpr std::string_view kInfo = ":2,";
constexpr std::string_view kSumFolder = ".=";  // no modified UTF-7 of ours begins so
constexpr std::size_t kMaxFolder = 200;        // octets; a file system takes 255
// Parts levels, so that within one it is encoded; and what none begins with, for the sum's sake.
constexpr std::string_view kDots = ".";
constexpr std::string_view kDotsAndSum = ".=";
constexpr std::pair<char, Flags> kSystem[] = {
    {'D', flag::draft}, {'F', flag::flagged}, {'R', flag::answered}, {'S', flag::seen}, {'T', flag::deleted}};

}  // namespace

FileName parse_file(std::string_view name) {
    const auto colon = name.find(':');
    if (colon == std::string_view::npos) return {std::string(name), {}};
    const auto info = name.substr(colon);
    return {std::string(name.substr(0, colon)),
            info.starts_with(kInfo) ? std::string(info.substr(kInfo.size())) : std::string()};
}

std::string file_name(std::string_view base, std::string letters) {
    std::ranges::sort(letters);
    letters.erase(std::ranges::unique(letters).begin(), letters.end());
    return std::string(base) + std::string(kInfo) + letters;
}

std::string new_base(base::WallTime now, const base::Ulid& id, bool delivery, std::uint64_t size) {
    return fmt::format("{}.{}{}{},S={},W={}", base::to_ms(now) / 1000, delivery ? 'D' : 'U', id.to_string(), kOurs,
                       size, size);
}

std::string copy_base(base::WallTime received, UidValidity validity, Uid uid) {
    return fmt::format("{}.C{}U{}{}", std::max<std::int64_t>(base::to_ms(received) / 1000, 0), validity, uid,
                       kOurs);
}

std::optional<base::Ulid> delivery_of(std::string_view base) {
    constexpr std::size_t kUlid = 26;
    const auto dot = base.find('.');
    if (dot == std::string_view::npos || base.size() < dot + 2 + kUlid || base[dot + 1] != 'D') return std::nullopt;
    if (!base.substr(dot + 2 + kUlid).starts_with(kOurs)) return std::nullopt;
    return base::Ulid::parse(base.substr(dot + 2, kUlid));
}

std::string system_letters(Flags flags) {
    std::string out;
    for (const auto& [letter, flag] : kSystem) {
        if ((flags & flag) != 0) out += letter;
    }
    return out;
}

Flags system_flag(char letter) {
    for (const auto& [known, flag] : kSystem) {
        if (known == letter) return flag;
    }
    return 0;
}

std::string folder_of(std::string_view mailbox) {
    if (mailbox == "INBOX") return {};
    std::string out;
    for (std::size_t at = 0; at <= mailbox.size();) {
        const auto end = std::min(mailbox.find(kSeparator, at), mailbox.size());
        const auto level = mailbox.substr(at, end - at);
        out += '.';
        out += mail::encode_utf7(level, level.starts_with('=') ? kDotsAndSum : kDots);
        at = end + 1;
    }
    if (out.size() > kMaxFolder) return std::string(kSumFolder) + base::hex(base::sha256(mailbox));
    return out;
}

std::optional<std::string> mailbox_of(std::string_view folder) {
    if (folder.empty()) return "INBOX";
    if (folder.size() < 2 || !folder.starts_with('.') || named_by_sum(folder)) return std::nullopt;
    std::string out;
    for (std::size_t at = 1; at <= folder.size();) {
        const auto end = std::min(folder.find('.', at), folder.size());
        const auto level = mail::decode_utf7(folder.substr(at, end - at), kDotsAndSum);
        if (!level) return std::nullopt;
        if (!out.empty()) out += kSeparator;
        out += *level;
        at = end + 1;
    }
    auto name = mailbox_name(out);
    if (!name || *name == "INBOX" || std::ranges::count(*name, kSeparator) != std::ranges::count(folder, '.') - 1)
        return std::nullopt;
    return name;
}

bool named_by_sum(std::string_view folder) { return folder.starts_with(kSumFolder); }

}  // namespace posthorn::store::maildir
