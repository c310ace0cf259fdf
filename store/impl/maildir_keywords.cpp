#include "store/impl/maildir_keywords.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <thread>

#include "base/ascii.hpp"

namespace posthorn::store::maildir {

namespace {

constexpr std::string_view kFile = "/dovecot-keywords";
constexpr std::string_view kLock = "/dovecot-keywords.lock";  // Dovecot's: the new file, until it is renamed
constexpr std::size_t kMaxFile = 64UL << 10U;
constexpr int kAttempts = 20;
constexpr auto kPause = std::chrono::milliseconds(10);
constexpr std::int64_t kStaleMs = 60'000;  // a lock that old is nobody's

}  // namespace

void LetterTable::refresh(base::Disk& disk) {
    const auto now = disk.status(folder_ + std::string(kFile));
    if (!now) {
        if (now.error().code == ENOENT) {
            names_ = {};
            seen_ = {};
            known_ = true;
        }
        return;
    }
    if (now->inode == seen_.inode && now->size == seen_.size && now->modified_ms == seen_.modified_ms) return;
    load(disk);
}

void LetterTable::load(base::Disk& disk) {
    const auto file = disk.open(folder_ + std::string(kFile), base::OpenMode::read);
    if (!file) return;
    const auto status = (*file)->status();
    if (!status) return;
    std::string text(std::min<std::uint64_t>(status->size, kMaxFile), '\0');
    const auto got = (*file)->read(0, text);
    if (!got) return;
    text.resize(*got);
    const auto before = std::exchange(names_, {});
    for (std::string_view rest = text; !rest.empty();) {
        const auto end = std::min(rest.find('\n'), rest.size());
        const auto line = rest.substr(0, end);
        rest.remove_prefix(std::min(end + 1, rest.size()));
        unsigned number = kLetters;
        const auto [stop, error] = std::from_chars(line.data(), line.data() + line.size(), number);
        const auto at = static_cast<std::size_t>(stop - line.data());
        if (error != std::errc{} || number >= kLetters || at >= line.size() || line[at] != ' ') continue;
        if (valid_keyword(line.substr(at + 1))) names_[number] = line.substr(at + 1);
    }
    seen_ = *status;
    for (std::size_t i = 0; i < names_.size(); ++i) {
        if (known_ && !names_[i].empty() && names_[i] != before[i]) learned_ += static_cast<char>('a' + i);
    }
    known_ = true;
}

std::optional<char> LetterTable::letter(std::string_view keyword) const {
    for (std::size_t i = 0; i < names_.size(); ++i) {
        if (!names_[i].empty() && base::iequals(names_[i], keyword)) return static_cast<char>('a' + i);
    }
    return std::nullopt;
}

std::string_view LetterTable::keyword(char letter) const {
    if (letter < 'a' || letter > 'z') return {};
    return names_[static_cast<std::size_t>(letter - 'a')];
}

std::optional<char> LetterTable::add(base::Disk& disk, base::WallTime now, std::string_view keyword) {
    const auto lock = folder_ + std::string(kLock);
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
        const auto file = disk.open(lock, base::OpenMode::create);
        if (!file) {
            if (file.error().code != EEXIST) return std::nullopt;
            const auto held = disk.status(lock);
            if (held && base::to_ms(now) - held->modified_ms > kStaleMs)
                (void)disk.unlink(lock);
            else
                std::this_thread::sleep_for(kPause);
            continue;
        }
        load(disk);  // what another has given meanwhile
        auto given = letter(keyword);
        const auto free = std::ranges::find(names_, std::string());
        bool saved = false;
        if (!given && free != names_.end()) {
            *free = keyword;
            saved = save(disk, lock);
            if (saved)
                given = letter(keyword);
            else
                free->clear();
        }
        if (!saved) (void)disk.unlink(lock);
        return given;
    }
    return std::nullopt;
}

bool LetterTable::save(base::Disk& disk, const std::string& lock) const {
    std::string text;
    for (std::size_t i = 0; i < names_.size(); ++i) {
        if (!names_[i].empty()) text += std::to_string(i) + ' ' + names_[i] + '\n';
    }
    const auto file = disk.open(lock, base::OpenMode::read_write);
    return file && (*file)->write(0, text) && (*file)->sync() && disk.rename(lock, folder_ + std::string(kFile)) &&
           disk.sync_directory(folder_);
}

}  // namespace posthorn::store::maildir
