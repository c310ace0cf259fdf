// An account's mail on its way into files that others read: a Maildir, mboxes, or a folder of messages. A run that broke
// off may be repeated: what is there is left as it is (an mbox is begun again).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace posthorn::ctl {

struct OutMessage {
    std::string mailbox;
    std::uint32_t uid_validity = 0;
    std::uint32_t uid = 0;
    std::int64_t received_ms = 0;
    std::vector<std::string> flags;  // "\Seen" and its like, and keywords
};

class MailSink {
public:
    virtual ~MailSink() = default;
    // A mailbox, also one without mail; before its messages.
    virtual base::Result<void> mailbox(const std::string& name) = 0;
    virtual base::Result<void> begin(const OutMessage& message) = 0;
    virtual base::Result<void> write(std::string_view octets) = 0;
    virtual base::Result<void> end() = 0;  // of the message
    virtual base::Result<void> finish() = 0;
};

// Makes the folder at `path` where there is none.
base::Result<std::unique_ptr<MailSink>> open_mail_sink(std::string_view format, const std::string& path);

std::unique_ptr<MailSink> maildir_sink(std::string path);
std::unique_ptr<MailSink> mbox_sink(std::string path);
std::unique_ptr<MailSink> eml_sink(std::string path);

}  // namespace posthorn::ctl
