// Which letter of a file's name is which keyword, in one folder: the file dovecot-keywords, "0 $Work" a line, which
// Dovecot keeps so and others may change at any time. Blocking.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/clock.hpp"
#include "base/disk.hpp"
#include "store/impl/maildir_name.hpp"

namespace posthorn::store::maildir {

class LetterTable {
public:
    // `folder`: where the file is, or will be.
    explicit LetterTable(std::string folder) : folder_(std::move(folder)) {}

    void refresh(base::Disk& disk);  // when the file is another than it was
    std::optional<char> letter(std::string_view keyword) const;
    std::string_view keyword(char letter) const;  // "" when it stands for none
    // Letters that were given a meaning while we looked on: what stands in names already means it now. Once.
    std::string take_learned() { return std::exchange(learned_, {}); }
    // What it stands for was taken over by the index.
    bool understood(char letter) const {
        return !keyword(letter).empty() && learned_.find(letter) == std::string::npos;
    }
    // Gives it a letter, durably told to others; nothing when there is none left, or nobody lets us write.
    std::optional<char> add(base::Disk& disk, base::WallTime now, std::string_view keyword);

private:
    void load(base::Disk& disk);
    bool save(base::Disk& disk, const std::string& lock) const;

    std::string folder_;
    std::array<std::string, kLetters> names_;
    base::FileStatus seen_{};
    bool known_ = false;  // we have looked before
    std::string learned_;
};

}  // namespace posthorn::store::maildir
