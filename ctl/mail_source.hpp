// Mail in files of others, on its way into an account: a Maildir, mboxes, or a folder of messages. What is read is named
// the same at each run, so that a run that broke off is simply repeated.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace posthorn::ctl {

// A message as files have it.
struct FileMessage {
    std::string mailbox;             // "INBOX", "Work/2026"; UTF-8
    std::string key;                 // names it within the source and its mailbox
    std::int64_t received_ms = 0;    // since 1970
    std::vector<std::string> flags;  // "\Seen" and its like, and keywords
    std::string text;                // with CRLF at each line end
};

// Blocking; one thread. Symbolic links are followed as far as the one who runs us may read.
class MailSource {
public:
    virtual ~MailSource() = default;
    // Nothing: that was all. An error ends it.
    virtual base::Result<std::optional<FileMessage>> next() = 0;
    // What was passed over, for the one who asked; since the last call.
    std::vector<std::string> take_warnings() { return std::exchange(warnings_, {}); }

protected:
    void warn(std::string text) { warnings_.push_back(std::move(text)); }

private:
    std::vector<std::string> warnings_;
};

// `format`: "maildir", "mbox" or "eml". A mbox may be one file, which is INBOX.
base::Result<std::unique_ptr<MailSource>> open_mail_source(std::string_view format, const std::string& path);

// The parts that tests reach.
base::Result<std::unique_ptr<MailSource>> open_maildir(const std::string& path);
base::Result<std::unique_ptr<MailSource>> open_mbox(const std::string& path);
base::Result<std::unique_ptr<MailSource>> open_eml(const std::string& path);

}  // namespace posthorn::ctl
