#include "mail/account.hpp"

#include "base/ascii.hpp"
#include "base/sha256.hpp"

namespace posthorn::mail {
namespace {

constexpr std::string_view kDigits = "0123456789ABCDEF";
constexpr std::string_view kEmpty = "%empty";

bool plain(char c) {
    return (c >= 'a' && c <= 'z') || base::is_digit(c) || c == '.' || c == '_' || c == '+' || c == '-';
}

}  // namespace

std::string AccountName::path() const { return path_component(domain) + '/' + path_component(local); }

std::optional<AccountName> account_name(const Address& address) {
    AccountName name{base::lower(address.local), domain_key(address.domain)};
    if (name.local.empty() || name.domain.empty()) return std::nullopt;
    return name;
}

std::optional<AccountName> parse_account_name(std::string_view text) {
    if (const auto address = parse_address(text)) return account_name(*address);
    const auto at = text.rfind('@');
    if (at == std::string_view::npos) return std::nullopt;
    return account_name({std::string(text.substr(0, at)), std::string(text.substr(at + 1))});
}

std::string path_component(std::string_view name) {
    if (name.empty()) return std::string(kEmpty);
    std::string out;
    for (const char c : name) {
        if (plain(c) && !(c == '.' && out.empty())) {
            out += c;
            continue;
        }
        const auto octet = static_cast<unsigned char>(c);
        out += '%';
        out += kDigits[octet >> 4U];
        out += kDigits[octet & 15U];
    }
    if (out.size() > kMaxPathComponent) return "%sha256-" + base::hex(base::sha256(name));
    return out;
}

std::optional<std::string> from_path_component(std::string_view component) {
    if (component == kEmpty) return std::string();
    std::string out;
    for (std::size_t i = 0; i < component.size(); ++i) {
        if (component[i] != '%') {
            out += component[i];
            continue;
        }
        if (component.size() - i < 3) return std::nullopt;
        const int high = base::hex_digit(component[i + 1]);
        const int low = base::hex_digit(component[i + 2]);
        if (high < 0 || low < 0) return std::nullopt;
        out += static_cast<char>(high * 16 + low);
        i += 2;
    }
    if (path_component(out) != component) return std::nullopt;  // one name, one component
    return out;
}

}  // namespace posthorn::mail
