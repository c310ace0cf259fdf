#include "mail/address.hpp"

#include <arpa/inet.h>
#include <idn2.h>

#include <array>

#include "base/ascii.hpp"
#include "base/utf8.hpp"

namespace posthorn::mail {
namespace {

// RFC 1035 §2.3.4
constexpr std::size_t kMaxLabel = 63;
constexpr std::size_t kMaxName = 253;

bool atext(char c) {
    return base::is_alnum(c) || std::string_view("!#$%&'*+-/=?^_`{|}~").find(c) != std::string_view::npos;
}

// Octets of one character beyond ASCII that an address may hold, 0 if there is none at `at`. C1 controls are
// valid UTF-8 but only serve to deceive a terminal.
std::size_t utf8_non_ascii(std::string_view text, std::size_t at) {
    if (base::is_ascii(text[at])) return 0;
    const auto length = base::utf8_length(text, at);
    const bool c1 = length == 2 && text[at] == '\xC2' && static_cast<unsigned char>(text[at + 1]) < 0xA0;
    return c1 ? 0 : length;
}

// RFC 5321 §4.1.2 Dot-string, with RFC 6531 §3.3 atext. Octets read from the start of `text`; 0: none there.
std::size_t dot_string(std::string_view text, bool utf8) {
    std::size_t at = 0;
    bool atom = false;
    while (at < text.size()) {
        if (atext(text[at])) {
            ++at;
            atom = true;
        } else if (text[at] == '.' && atom) {
            ++at;
            atom = false;
        } else if (const auto length = utf8 ? utf8_non_ascii(text, at) : 0; length != 0) {
            at += length;
            atom = true;
        } else {
            break;
        }
    }
    return atom ? at : 0;
}

// RFC 5321 §4.1.2 Quoted-string: its content goes to `local`. Octets read, quotes included; 0: malformed.
std::size_t quoted_string(std::string_view text, bool utf8, std::string& local) {
    for (std::size_t at = 1; at < text.size();) {
        const char c = text[at];
        if (c == '"') return at + 1;
        if (c == '\\') {
            if (++at == text.size() || !base::is_print(text[at])) return 0;
            local += text[at++];
        } else if (base::is_print(c)) {
            local += c;
            ++at;
        } else {
            const auto length = utf8 ? utf8_non_ascii(text, at) : 0;
            if (length == 0) return 0;
            local += text.substr(at, length);
            at += length;
        }
    }
    return 0;
}

// RFC 5321 §4.1.2 sub-domain
bool ascii_label(std::string_view label) {
    if (label.empty() || label.size() > kMaxLabel) return false;
    if (label.front() == '-' || label.back() == '-') return false;
    for (const char c : label) {
        if (!base::is_alnum(c) && c != '-') return false;
    }
    return true;
}

bool ascii_name(std::string_view name) {
    if (name.empty() || name.size() > kMaxName) return false;
    while (true) {
        const auto dot = name.find('.');
        if (!ascii_label(name.substr(0, dot))) return false;
        if (dot == std::string_view::npos) return true;
        name.remove_prefix(dot + 1);
    }
}

// Empty where IDNA has no A-label form.
std::string a_labels(std::string_view name) {
    if (name.size() > kMaxDomain || !base::valid_utf8(name)) return {};
    const std::string input(name);
    if (input.find('\0') != std::string::npos) return {};
    std::uint8_t* output = nullptr;
    const int flags = IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL;
    if (idn2_lookup_u8(reinterpret_cast<const std::uint8_t*>(input.c_str()), &output, flags) != IDN2_OK) return {};
    std::string result(reinterpret_cast<const char*>(output));
    idn2_free(output);
    if (result.ends_with('.')) result.pop_back();
    return ascii_name(result) ? base::lower(result) : std::string{};
}

template <int family, std::size_t octets, std::size_t length>
std::optional<std::string> canonical_ip(std::string_view text) {
    std::array<unsigned char, octets> binary{};
    std::array<char, length> out{};
    if (text.size() >= length || text.find('\0') != std::string_view::npos) return std::nullopt;
    if (inet_pton(family, std::string(text).c_str(), binary.data()) != 1) return std::nullopt;
    return std::string(inet_ntop(family, binary.data(), out.data(), out.size()));
}

bool is_dot_string(std::string_view local) { return !local.empty() && dot_string(local, true) == local.size(); }

std::string quoted(std::string_view local) {
    std::string out = "\"";
    for (const char c : local) {
        if (c == '"' || c == '\\') out += '\\';
        out += c;
    }
    return out += '"';
}

}  // namespace

bool Address::ascii() const { return base::is_ascii(local) && base::is_ascii(domain); }

std::string Address::to_string() const {
    if (empty()) return {};
    std::string out = is_dot_string(local) ? local : quoted(local);
    if (!domain.empty()) (out += '@') += domain;
    return out;
}

std::optional<Address> parse_address(std::string_view text, bool utf8) {
    // RFC 5321 §4.5.3.1.3: a path's 256 octets count its angle brackets.
    if (text.empty() || text.size() > kMaxPath - 2) return std::nullopt;
    Address address;
    std::size_t read = 0;
    if (text.front() == '"') {
        read = quoted_string(text, utf8, address.local);
    } else {
        read = dot_string(text, utf8);
        address.local = text.substr(0, read);
    }
    if (read == 0 || address.local.size() > kMaxLocalPart) return std::nullopt;
    if (read == text.size() || text[read] != '@') return std::nullopt;
    const auto domain = text.substr(read + 1);
    if (domain.size() > kMaxDomain) return std::nullopt;
    if (domain.starts_with('[') ? !literal_address(domain) : !valid_domain(domain, utf8)) return std::nullopt;
    address.domain = domain;
    return address;
}

bool valid_domain(std::string_view text, bool utf8) {
    if (base::is_ascii(text)) return ascii_name(text);
    return utf8 && !text.ends_with('.') && !a_labels(text).empty();
}

std::optional<std::string> literal_address(std::string_view domain) {
    if (!domain.starts_with('[') || !domain.ends_with(']')) return std::nullopt;
    const auto content = domain.substr(1, domain.size() - 2);
    constexpr std::string_view kTag = "IPv6:";
    if (!base::istarts_with(content, kTag)) return canonical_ip<AF_INET, 4, INET_ADDRSTRLEN>(content);
    return canonical_ip<AF_INET6, 16, INET6_ADDRSTRLEN>(content.substr(kTag.size()));
}

std::string domain_key(std::string_view domain) {
    if (domain.starts_with('[')) {
        const auto ip = literal_address(domain);
        if (!ip) return {};
        return (ip->find(':') == std::string::npos ? "[" : "[IPv6:") + *ip + "]";
    }
    if (domain.ends_with('.')) domain.remove_suffix(1);
    if (!base::is_ascii(domain)) return a_labels(domain);
    return ascii_name(domain) ? base::lower(domain) : std::string{};
}

bool same_mailbox(const Address& a, const Address& b) {
    if (a.local != b.local) return false;
    if (a.domain == b.domain) return true;
    const auto key = domain_key(a.domain);
    return !key.empty() && key == domain_key(b.domain);
}

bool domain_matches(std::string_view pattern, std::string_view domain) {
    if (pattern == "*") return true;
    if (!pattern.starts_with("*.")) return pattern == domain;
    const auto suffix = pattern.substr(1);  // ".example.com"
    return domain.size() > suffix.size() && domain.ends_with(suffix);
}

}  // namespace posthorn::mail
