// Accounts and aliases in a file of lines, as passwd(5) is one; read again within a second of a question after it
// changed. A file that has become unreadable or wrong is told once, and what was read before stays. A line is one of
//
//   ann@example.org:HASH:name=Ann;quota=2GiB;max_messages=1000;disabled    an account; HASH may be empty
//   team@example.org => ann@example.org, carl@example.net                  an alias
//   @example.org => ann@example.org                                        a catch-all
//   @example.com                                                           a domain without names
//   # a comment
//
// Further options of an account: scram_sha_1=…, scram_sha_256=… (scram_text()), messages_per_hour, recipients_per_day,
// max_message_size. Any loop; the file is read on the disk pool.
#pragma once

#include <atomic>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "auth/impl/backend.hpp"
#include "base/clock.hpp"
#include "base/guarded.hpp"
#include "net/pool.hpp"

namespace posthorn::auth::impl {

// What a file holds.
struct FileContent {
    struct Item {
        Entry entry;
        Secrets secrets;
    };
    std::set<std::string, std::less<>> domains;
    std::unordered_map<mail::AccountName, Item> items;
};
// The error names the line.
base::Result<FileContent> parse_accounts_file(std::string_view text);

class FileBackend final : public Backend {
public:
    // Reads it; blocks.
    static base::Result<std::unique_ptr<FileBackend>> open(std::string path, net::Pool& disk);

    static base::Result<std::vector<std::string>> read_domains(const std::string& path);  // blocks

    std::string_view name() const override { return "file"; }
    bool serves(std::string_view domain) const override { return content()->domains.contains(domain); }
    std::vector<std::string> domains() const override;
    net::Task<base::Result<std::optional<Entry>>> find(net::Loop& loop, mail::AccountName name) override;
    Mechanisms mechanisms() const override;
    net::Task<base::Result<std::optional<Secrets>>> secrets(net::Loop& loop, mail::AccountName name) override;

private:
    // What tells one version of the file from another.
    struct Stamp {
        std::uint64_t inode = 0;
        std::int64_t size = 0;
        std::int64_t modified_ns = 0;
        bool operator==(const Stamp&) const = default;
    };
    FileBackend(std::string path, net::Pool& disk) : path_(std::move(path)), disk_(disk) {}
    std::shared_ptr<const FileContent> content() const {
        return content_.with([](const auto& p) { return p; });
    }
    net::Task<> refresh(net::Loop& loop);
    static base::Result<Stamp> stamp(const std::string& path);
    // What it holds now, and of which version that is.
    static base::Result<std::pair<FileContent, Stamp>> read(const std::string& path);
    base::Result<void> load();
    void reload();

    const std::string path_;
    net::Pool& disk_;
    base::Guarded<std::shared_ptr<const FileContent>> content_;
    std::atomic<std::int64_t> looked_at_{0};  // steady, ns
    std::atomic<bool> looking_{false};        // by whom `stamp_` and `wrong_` may be touched
    Stamp stamp_;
    bool wrong_ = false;
};

}  // namespace posthorn::auth::impl
