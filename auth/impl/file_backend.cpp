#include "auth/impl/file_backend.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <fstream>

#include "base/log.hpp"
#include "base/units.hpp"

namespace posthorn::auth::impl {
namespace {

using namespace std::chrono_literals;

constexpr auto kLook = 1s;
constexpr std::size_t kMaxFile = std::size_t{256} << 20U;

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r'))
        text.remove_suffix(1);
    return text;
}

// Cuts off what stands before `mark`; all of it where there is none.
std::string_view take(std::string_view& text, std::string_view mark) {
    const auto at = text.find(mark);
    const auto head = text.substr(0, at);
    text = at == std::string_view::npos ? std::string_view() : text.substr(at + mark.size());
    return head;
}

std::string unknown(std::string_view what) { return fmt::format("\"{}\" is not understood", what); }

template <class N>
std::string number(std::string_view text, N& into) {
    const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), into);
    return bad == std::errc{} && end == text.data() + text.size() ? std::string() : unknown(text);
}

std::string size(std::string_view text, std::uint64_t& into) {
    const auto n = base::parse_size(text);
    if (n) into = *n;
    return n ? std::string() : unknown(text);
}

std::string verifier(std::string_view text, ScramHash hash, std::string& into) {
    if (!parse_scram(text, hash)) return "that is no SCRAM verifier";
    into = text;
    return {};
}

// What is wrong with it, or nothing.
std::string option(std::string_view text, Account& account, StoredPassword& password) {
    auto value = text;
    const auto key = take(value, "=");
    if (key == "disabled") {
        account.disabled = true;
        return {};
    }
    if (key == "name") {
        account.display_name = value;
        return {};
    }
    if (key == "quota") return size(value, account.quota.bytes);
    if (key == "max_messages") return number(value, account.quota.messages);
    if (key == "messages_per_hour") return number(value, account.send.messages_per_hour);
    if (key == "recipients_per_day") return number(value, account.send.recipients_per_day);
    if (key == "max_message_size") return size(value, account.send.max_message_size);
    if (key == "scram_sha_1") return verifier(value, ScramHash::sha_1, password.scram_sha_1);
    if (key == "scram_sha_256") return verifier(value, ScramHash::sha_256, password.scram_sha_256);
    return fmt::format("there is no option \"{}\"", key);
}

std::string read_account(std::string_view line, const mail::AccountName& name, FileContent::Item& into) {
    into.entry.account = Account{.name = name};
    auto& password = into.secrets.password;
    password.hash = take(line, ":");
    if (!password.hash.empty() && !known_scheme(password.hash))
        return "that is no hash of a scheme that is known here";
    while (!line.empty()) {
        const auto one = trimmed(take(line, ";"));
        if (one.empty()) continue;
        if (auto wrong = option(one, *into.entry.account, password); !wrong.empty()) return wrong;
    }
    return {};
}

std::string read_targets(std::string_view line, std::vector<mail::Address>& into) {
    while (!line.empty()) {
        const auto one = trimmed(take(line, ","));
        auto address = mail::parse_address(one);
        if (!address) return fmt::format("\"{}\" is not an address", one);
        into.push_back(*std::move(address));
    }
    return into.empty() ? "an alias without a target" : std::string();
}

std::string read_line(std::string_view line, FileContent& content) {
    const auto arrow = line.find("=>");
    const auto colon = line.find(':');
    const bool alias = arrow != std::string_view::npos && (colon == std::string_view::npos || arrow < colon);
    auto rest = line;
    const auto given = trimmed(alias ? take(rest, "=>") : take(rest, ":"));
    mail::AccountName name;
    if (given.starts_with('@')) {
        name.domain = mail::domain_key(given.substr(1));
        if (!alias && colon != std::string_view::npos) return "an account without a name";
    } else if (auto parsed = mail::parse_account_name(given)) {
        name = *std::move(parsed);
    }
    if (name.domain.empty()) return fmt::format("\"{}\" is not an address", given);
    content.domains.insert(name.domain);
    if (name.local.empty() && !alias) return {};
    auto [at, fresh] = content.items.try_emplace(name);
    if (!fresh) return fmt::format("{} is there twice", given);
    if (alias) return read_targets(trimmed(rest), at->second.entry.targets);
    if (colon == std::string_view::npos) return "neither \":\" nor \"=>\" follows the address";
    return read_account(rest, name, at->second);
}

}  // namespace

base::Result<FileContent> parse_accounts_file(std::string_view text) {
    FileContent out;
    for (std::size_t number = 1; !text.empty(); ++number) {
        const auto line = trimmed(take(text, "\n"));
        if (line.empty() || line.starts_with('#')) continue;
        if (auto wrong = read_line(line, out); !wrong.empty())
            return base::fail(base::ErrorKind::permanent, fmt::format("line {}: {}", number, wrong));
    }
    return out;
}

base::Result<std::unique_ptr<FileBackend>> FileBackend::open(std::string path, net::Pool& disk) {
    std::unique_ptr<FileBackend> out(new FileBackend(std::move(path), disk));
    if (auto loaded = out->load(); !loaded) return std::unexpected(std::move(loaded.error()));
    return out;
}

base::Result<FileBackend::Stamp> FileBackend::stamp(const std::string& path) {
    struct ::stat at{};
    if (::stat(path.c_str(), &at) != 0) return base::fail_errno(path, errno);
    return Stamp{at.st_ino, at.st_size, at.st_mtim.tv_sec * 1'000'000'000 + at.st_mtim.tv_nsec};
}

base::Result<std::pair<FileContent, FileBackend::Stamp>> FileBackend::read(const std::string& path) {
    auto seen = stamp(path);  // before it is read: what is written meanwhile is a change
    if (!seen) return std::unexpected(std::move(seen.error()));
    if (seen->size > static_cast<std::int64_t>(kMaxFile))
        return base::fail(base::ErrorKind::permanent, path + ": too large");
    std::ifstream in(path, std::ios::binary);
    std::string text(static_cast<std::size_t>(seen->size), '\0');
    if (in) in.read(text.data(), seen->size);
    if (!in.is_open() || in.bad()) return base::fail_errno(path, errno);
    text.resize(static_cast<std::size_t>(in.gcount()));
    auto fresh = parse_accounts_file(text);
    wipe(text);
    if (!fresh) {
        fresh.error().log_text = path + ": " + fresh.error().log_text;
        return std::unexpected(std::move(fresh.error()));
    }
    return std::pair(*std::move(fresh), *seen);
}

base::Result<std::vector<std::string>> FileBackend::read_domains(const std::string& path) {
    auto all = read(path);
    if (!all) return std::unexpected(std::move(all.error()));
    return std::vector<std::string>(all->first.domains.begin(), all->first.domains.end());
}

base::Result<void> FileBackend::load() {
    auto fresh = read(path_);
    if (!fresh) return std::unexpected(std::move(fresh.error()));
    stamp_ = fresh->second;
    auto shared = std::make_shared<const FileContent>(std::move(fresh->first));
    content_.with([&](auto& current) { current.swap(shared); });
    return {};
}

void FileBackend::reload() {
    const auto seen = stamp(path_);
    if (seen && *seen == stamp_) return;
    const auto done = seen ? load() : base::Result<void>(std::unexpected(seen.error()));
    if (done) {
        wrong_ = false;
        base::log::notice("auth.file_read", {{"path", path_}, {"names", content()->items.size()}});
    } else if (!std::exchange(wrong_, true) || seen) {
        base::log::error("auth.file_refused",
                         {{"msg", "what was read before stays"}, {"reason", done.error().log_text}});
    }
}

net::Task<> FileBackend::refresh(net::Loop& loop) {
    const auto now = loop.now().time_since_epoch().count();
    if (now - looked_at_.load() < base::Duration(kLook).count() || looking_.exchange(true)) co_return;
    looked_at_ = now;
    auto job = [this]() -> base::Result<void> {
        reload();
        return {};
    };
    (void)co_await net::offload(loop, disk_, std::move(job));
    looking_ = false;
}

std::vector<std::string> FileBackend::domains() const {
    const auto all = content();
    return {all->domains.begin(), all->domains.end()};
}

Mechanisms FileBackend::mechanisms() const {
    return {.password = true, .scram_sha_1 = true, .scram_sha_256 = true, .external = true};
}

net::Task<base::Result<std::optional<Entry>>> FileBackend::find(net::Loop& loop, mail::AccountName name) {
    co_await refresh(loop);
    const auto all = content();
    const auto found = all->items.find(name);
    if (found == all->items.end()) co_return std::optional<Entry>{};
    co_return std::optional(found->second.entry);
}

net::Task<base::Result<std::optional<Secrets>>> FileBackend::secrets(net::Loop&, mail::AccountName name) {
    const auto all = content();
    const auto found = all->items.find(name);
    if (found == all->items.end() || !found->second.entry.account) co_return std::optional<Secrets>{};
    co_return std::optional(found->second.secrets);
}

}  // namespace posthorn::auth::impl
