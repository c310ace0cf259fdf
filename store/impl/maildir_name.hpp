// Names in a Maildir: of messages ("1700000000.U….posthorn,S=37:2,FS") and of folders (Maildir++: ".A.B"). Values.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/ulid.hpp"
#include "store/values.hpp"

namespace posthorn::store::maildir {

// Letters of flags: DFRST for the system's, P for this keyword, a to z for those that dovecot-keywords tells.
inline constexpr std::string_view kForwarded = "$Forwarded";
inline constexpr char kPassed = 'P';
inline constexpr unsigned kLetters = 26;

struct FileName {
    std::string base;     // what the message is known by: does not change with its flags
    std::string letters;  // of its flags, as they stand there
};
FileName parse_file(std::string_view name);
// "base:2,LETTERS", letters in order, each once.
std::string file_name(std::string_view base, std::string letters);
// One that nobody else makes. `delivery`: it tells it, so that an index made anew knows what has come already.
std::string new_base(base::WallTime now, const base::Ulid& id, bool delivery, std::uint64_t size);
// Of a copy: the same each time for one UID of a mailbox.
std::string copy_base(base::WallTime received, UidValidity validity, Uid uid);
std::optional<base::Ulid> delivery_of(std::string_view base);

std::string system_letters(Flags flags);
Flags system_flag(char letter);  // 0: not of the system's

// "" is INBOX, the Maildir itself. A name that a folder cannot have in full gets one by its sum.
std::string folder_of(std::string_view mailbox);
// Nothing: it is no mailbox, or one whose name stands within it.
std::optional<std::string> mailbox_of(std::string_view folder);
bool named_by_sum(std::string_view folder);

}  // namespace posthorn::store::maildir
