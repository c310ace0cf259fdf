// The maildrop as a session knows it: what was there when it was opened, and what it has marked (RFC 1939 §4).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace posthorn::pop3 {

struct MaildropMessage {
    std::uint64_t size = 0;  // octets
    std::uint32_t uid = 0;
};

// 17 octets a message. Numbers begin at 1.
class Maildrop {
public:
    Maildrop() = default;
    Maildrop(std::uint32_t uid_validity, std::vector<MaildropMessage> messages)
        : uid_validity_(uid_validity), messages_(std::move(messages)), deleted_(messages_.size(), false) {
        for (const auto& message : messages_) bytes_ += message.size;
        count_ = messages_.size();
    }

    std::uint32_t uid_validity() const { return uid_validity_; }
    std::size_t last() const { return messages_.size(); }  // the highest number
    std::size_t count() const { return count_; }           // of those that are not marked
    std::uint64_t bytes() const { return bytes_; }         // so too
    // There is such a message and it is not marked.
    bool has(std::size_t number) const {
        return number != 0 && number <= messages_.size() && !deleted_[number - 1];
    }
    const MaildropMessage& at(std::size_t number) const { return messages_[number - 1]; }

    void mark(std::size_t number) {
        deleted_[number - 1] = true;
        --count_;
        bytes_ -= messages_[number - 1].size;
    }
    void unmark_all() { *this = Maildrop(uid_validity_, std::move(messages_)); }
    std::vector<std::uint32_t> marked() const {
        std::vector<std::uint32_t> uids;
        for (std::size_t i = 0; i < messages_.size(); ++i) {
            if (deleted_[i]) uids.push_back(messages_[i].uid);
        }
        return uids;
    }

private:
    std::uint32_t uid_validity_ = 0;
    std::vector<MaildropMessage> messages_;
    std::vector<bool> deleted_;
    std::size_t count_ = 0;
    std::uint64_t bytes_ = 0;
};

}  // namespace posthorn::pop3
