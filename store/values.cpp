#include "store/values.hpp"

#include <cerrno>

#include "base/ascii.hpp"
#include "base/utf8.hpp"
#include "store/store.hpp"

namespace posthorn::store {
namespace {

constexpr std::size_t kMaxKeyword = 128;
constexpr std::array<std::string_view, 10> kRoles = {"",      "inbox",   "drafts", "sent",    "junk",
                                                     "trash", "archive", "all",    "flagged", "important"};

bool good_level(std::string_view level) { return !level.empty() && level != "." && level != ".."; }

}  // namespace

// RFC 9051 §9: an atom.
bool valid_keyword(std::string_view name) {
    if (name.empty() || name.size() > kMaxKeyword) return false;
    for (const char c : name) {
        if (c <= ' ' || c > '~' || std::string_view("(){%*\"\\]").contains(c)) return false;
    }
    return true;
}

std::string_view name(Role role) { return kRoles[static_cast<std::size_t>(role)]; }

std::optional<Role> parse_role(std::string_view text) {
    for (std::size_t i = 1; i < kRoles.size(); ++i) {
        if (kRoles[i] == text) return static_cast<Role>(i);
    }
    return std::nullopt;
}

std::optional<std::string> mailbox_name(std::string_view given) {
    if (given.empty() || given.size() > kMaxMailboxName || !base::valid_utf8(given)) return std::nullopt;
    for (const char c : given) {
        if (static_cast<unsigned char>(c) < ' ' || c == '\x7F') return std::nullopt;
    }
    std::string out(given);
    for (std::size_t begin = 0; begin <= out.size();) {
        const auto end = std::min(out.find(kSeparator, begin), out.size());
        if (!good_level(std::string_view(out).substr(begin, end - begin))) return std::nullopt;
        begin = end + 1;
    }
    const auto first = std::min(out.find(kSeparator), out.size());
    if (base::iequals(std::string_view(out).substr(0, first), "INBOX")) out.replace(0, first, "INBOX");
    return out;
}

bool is_missing(const base::Error& error) {
    return error.kind == base::ErrorKind::permanent && error.code == ENOENT;
}

bool is_stale(const base::Error& error) { return error.kind == base::ErrorKind::permanent && error.code == ESTALE; }

bool is_over_quota(const base::Error& error) {
    return error.kind == base::ErrorKind::permanent && error.code == EDQUOT;
}

Store::Task<Store::Opened> Store::open_all(net::Loop& loop, Account account, std::vector<EmailId> emails) {
    Opened out;
    for (const auto email : emails) {
        auto body = co_await open(loop, account, email);
        out.push_back(std::move(body));
    }
    co_return out;
}

}  // namespace posthorn::store
