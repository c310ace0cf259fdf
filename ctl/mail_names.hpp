// How names of mailboxes, flags and line ends are written in others' files.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace posthorn::ctl {

// ".Work.2026" of a Maildir, in modified UTF-7, and "Work/2026"; "" is INBOX.
std::string maildir_folder(std::string_view mailbox);
std::optional<std::string> mailbox_of_maildir(std::string_view folder);

// One level of a mailbox's name as the name of a file: what would mislead (a dot at the beginning, ".mbox" at the end,
// percent signs) stands in percent-encoding.
std::string file_level(std::string_view level);
std::string level_of_file(std::string_view name);
// Of a whole name: "Work/2026".
std::string file_path(std::string_view mailbox);

// The letters of a Maildir's info ("2,FS") and the keywords that its dovecot-keywords names by 'a' to 'z'.
std::vector<std::string> flags_of_info(std::string_view letters, const std::vector<std::string>& keywords);
std::string info_of_flags(const std::vector<std::string>& flags, std::vector<std::string>& keywords);

// Each line end becomes CRLF; a CR that stands alone stays.
std::string with_crlf(std::string_view text);

// Of a file that has them one a line, and the whole of a file (at most `most` octets).
base::Result<std::string> read_file(const std::string& path, std::uint64_t most);
// By temp and rename, synced; its mtime where one is given (ms since 1970).
base::Result<void> write_file(const std::string& path, std::string_view content);

// "Thu Nov 19 12:34:56 2026", also with a zone before or behind the year; UTC where there is none. ms since 1970.
std::optional<std::int64_t> parse_asctime(std::string_view text);
std::string asctime_text(std::int64_t ms);

inline constexpr std::uint64_t kMaxFileMessage = std::uint64_t{1} << 30U;  // octets

}  // namespace posthorn::ctl
