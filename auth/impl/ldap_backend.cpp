#include "auth/impl/ldap_backend.hpp"

#include <fmt/format.h>
#include <ldap.h>
#include <sys/time.h>

#include <algorithm>
#include <map>

#include "base/ascii.hpp"
#include "base/units.hpp"

namespace posthorn::auth::impl {
namespace {

timeval timeval_of(base::Duration d) {
    const auto us = std::chrono::ceil<std::chrono::microseconds>(d).count();
    return {.tv_sec = us / 1'000'000, .tv_usec = us % 1'000'000};
}

std::unexpected<base::Error> failure(std::string_view what, int code) {
    return base::fail(base::ErrorKind::temporary, fmt::format("ldap: {}: {}", what, ldap_err2string(code)),
                      "4.3.0");
}

struct FreeMessage {
    void operator()(LDAPMessage* message) const { ldap_msgfree(message); }
};
struct FreeText {
    void operator()(char* text) const { ldap_memfree(text); }
};
struct FreeValues {
    void operator()(berval** values) const { ldap_value_free_len(values); }
};

}  // namespace

std::string filter_escaped(std::string_view value) {
    std::string out;
    for (const char c : value) {
        if (c == '*' || c == '(' || c == ')' || c == '\\' || c == '\0')
            out += fmt::format("\\{:02x}", static_cast<unsigned char>(c));
        else
            out += c;
    }
    return out;
}

namespace {

std::string dn_escaped(std::string_view value) {
    std::string out;
    for (std::size_t i = 0; i < value.size(); ++i) {
        const char c = value[i];
        const bool at_edge = (c == ' ' && (i == 0 || i + 1 == value.size())) || (c == '#' && i == 0);
        if (at_edge || std::string_view("\"+,;<>=\\").find(c) != std::string_view::npos)
            out += fmt::format("\\{:02x}", static_cast<unsigned char>(c));
        else
            out += c;
    }
    return out;
}

std::string filled(std::string_view pattern, const mail::AccountName& name,
                   std::string (*escaped)(std::string_view)) {
    std::string out;
    for (std::size_t i = 0; i < pattern.size(); ++i) {
        const char next = pattern[i] == '%' && i + 1 < pattern.size() ? pattern[i + 1] : '\0';
        switch (next) {
            case 'a': out += escaped(name.text()); break;
            case 'u': out += escaped(name.local); break;
            case 'd': out += escaped(name.domain); break;
            case '%': out += '%'; break;
            default: out += pattern[i]; continue;
        }
        ++i;
    }
    return out;
}

}  // namespace

std::string filter_for(std::string_view pattern, const mail::AccountName& name) {
    return filled(pattern, name, filter_escaped);
}
std::string dn_for(std::string_view pattern, const mail::AccountName& name) {
    return filled(pattern, name, dn_escaped);
}

// What a search found of one entry.
struct LdapBackend::Person {
    std::string dn;
    std::map<std::string, std::vector<std::string>, std::less<>> attributes;  // names in lower case

    const std::vector<std::string>& all(const std::string& attribute) const {
        static const std::vector<std::string> none;
        const auto found = attributes.find(base::lower(attribute));
        return attribute.empty() || found == attributes.end() ? none : found->second;
    }
    std::string first(const std::string& attribute) const {
        const auto& values = all(attribute);
        return values.empty() ? std::string() : values.front();
    }
};

class LdapBackend::Connection {
public:
    explicit Connection(const LdapConfig& config) : config_(config) {}
    ~Connection() {
        if (handle_ != nullptr) ldap_unbind_ext_s(handle_, nullptr, nullptr);
    }
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    base::Result<void> open() {
        if (const int code = ldap_initialize(&handle_, config_.url.c_str()); code != LDAP_SUCCESS)
            return failure(config_.url, code);
        const int version = LDAP_VERSION3;
        const auto limit = timeval_of(config_.timeout);
        const int check = config_.verify_tls ? LDAP_OPT_X_TLS_HARD : LDAP_OPT_X_TLS_NEVER;
        const int fresh = 0;
        ldap_set_option(handle_, LDAP_OPT_PROTOCOL_VERSION, &version);
        ldap_set_option(handle_, LDAP_OPT_NETWORK_TIMEOUT, &limit);
        ldap_set_option(handle_, LDAP_OPT_TIMEOUT, &limit);
        ldap_set_option(handle_, LDAP_OPT_REFERRALS, LDAP_OPT_OFF);  // they could lead a password anywhere
        ldap_set_option(handle_, LDAP_OPT_X_TLS_REQUIRE_CERT, &check);
        if (!config_.ca_file.empty()) ldap_set_option(handle_, LDAP_OPT_X_TLS_CACERTFILE, config_.ca_file.c_str());
        ldap_set_option(handle_, LDAP_OPT_X_TLS_NEWCTX, &fresh);
        if (!config_.starttls) return {};
        if (const int code = ldap_start_tls_s(handle_, nullptr, nullptr); code != LDAP_SUCCESS)
            return failure("STARTTLS", code);
        return {};
    }

    // LDAP_SUCCESS or why not.
    int bind(const std::string& dn, const std::string& password) {
        berval secret{.bv_len = password.size(), .bv_val = const_cast<char*>(password.data())};
        return ldap_sasl_bind_s(handle_, dn.c_str(), LDAP_SASL_SIMPLE, &secret, nullptr, nullptr, nullptr);
    }

    base::Result<std::optional<Person>> search(const std::string& base, int scope, const std::string& filter) {
        auto limit = timeval_of(config_.timeout);
        LDAPMessage* raw = nullptr;
        const int code = ldap_search_ext_s(handle_, base.c_str(), scope, filter.c_str(), nullptr, 0, nullptr,
                                           nullptr, &limit, 2, &raw);
        const std::unique_ptr<LDAPMessage, FreeMessage> result(raw);
        if (code == LDAP_NO_SUCH_OBJECT) return std::nullopt;
        if (code != LDAP_SUCCESS && code != LDAP_SIZELIMIT_EXCEEDED) return failure("search", code);
        auto* entry = ldap_first_entry(handle_, result.get());
        if (entry == nullptr) return std::nullopt;
        if (ldap_next_entry(handle_, entry) != nullptr)
            return base::fail(base::ErrorKind::temporary, "ldap: more than one entry for " + filter, "4.3.0");
        return person(entry);
    }

private:
    Person person(LDAPMessage* entry) {
        Person out;
        const std::unique_ptr<char, FreeText> dn(ldap_get_dn(handle_, entry));
        out.dn = dn ? dn.get() : "";
        BerElement* position = nullptr;
        for (char* raw = ldap_first_attribute(handle_, entry, &position); raw != nullptr;
             raw = ldap_next_attribute(handle_, entry, position)) {
            const std::unique_ptr<char, FreeText> attribute(raw);
            const std::unique_ptr<berval*, FreeValues> values(ldap_get_values_len(handle_, entry, raw));
            auto& into = out.attributes[base::lower(raw)];
            for (auto** one = values.get(); one != nullptr && *one != nullptr; ++one)
                into.emplace_back((*one)->bv_val, (*one)->bv_len);
        }
        ber_free(position, 0);
        return out;
    }

    const LdapConfig& config_;
    LDAP* handle_ = nullptr;
};

LdapBackend::LdapBackend(LdapConfig config, net::Pool& pool)
    : config_(std::move(config)), domains_(config_.domains), pool_(pool) {
    std::ranges::sort(domains_);
}
LdapBackend::~LdapBackend() = default;

bool LdapBackend::serves(std::string_view domain) const { return std::ranges::binary_search(domains_, domain); }

base::Result<std::unique_ptr<LdapBackend::Connection>> LdapBackend::take() {
    auto connection = idle_.with([](auto& idle) -> std::unique_ptr<Connection> {
        if (idle.empty()) return nullptr;
        auto one = std::move(idle.back());
        idle.pop_back();
        return one;
    });
    if (connection) return connection;
    connection = std::make_unique<Connection>(config_);
    if (auto open = connection->open(); !open) return std::unexpected(std::move(open.error()));
    const int code = connection->bind(config_.bind_dn, config_.bind_password);
    if (code != LDAP_SUCCESS) return failure("bind as " + config_.bind_dn, code);
    return connection;
}

void LdapBackend::give_back(std::unique_ptr<Connection> connection) {
    idle_.with([&](auto& idle) { idle.push_back(std::move(connection)); });
}

base::Result<std::optional<LdapBackend::Person>> LdapBackend::search(const std::string& base, int scope,
                                                                     const std::string& filter) {
    for (bool again = idle_.with([](const auto& idle) { return !idle.empty(); });; again = false) {
        auto connection = take();
        if (!connection) return std::unexpected(std::move(connection.error()));
        auto found = (*connection)->search(base, scope, filter);
        if (found) give_back(*std::move(connection));
        if (found || !again) return found;
        idle_.with([](auto& idle) { idle.clear(); });  // the server may have ended them: once more on a fresh one
    }
}

base::Result<std::optional<LdapBackend::Person>> LdapBackend::person(const mail::AccountName& name) {
    const bool by_name = !config_.user_dn.empty();
    auto found = search(by_name ? dn_for(config_.user_dn, name) : config_.base,
                        by_name ? LDAP_SCOPE_BASE : LDAP_SCOPE_SUBTREE, filter_for(config_.filter, name));
    if (!found || !*found) return found;
    // A matching rule may find ann's entry for änn: one that tells its addresses is only theirs.
    // Its values have no order (RFC 4511 §4.1.7).
    const auto& own = (*found)->all(config_.address_attribute);
    const auto is_name = [&](const auto& address) { return mail::parse_account_name(address) == name; };
    if (!own.empty() && std::ranges::none_of(own, is_name)) return std::nullopt;
    if (config_.group.empty()) return found;
    const auto member = fmt::format("({}={})", config_.member_attribute, filter_escaped((*found)->dn));
    const auto group = search(config_.group, LDAP_SCOPE_BASE, member);
    if (!group) return std::unexpected(group.error());
    if (!*group) return std::nullopt;
    return found;
}

base::Result<std::optional<Entry>> LdapBackend::look(const mail::AccountName& name) {
    if (!name.local.empty()) {
        const auto found = person(name);
        if (!found) return std::unexpected(found.error());
        if (*found) {
            Account account{.name = name, .display_name = (*found)->first(config_.name_attribute)};
            account.quota.bytes = base::parse_size((*found)->first(config_.quota_attribute)).value_or(0);
            account.quota.messages = base::parse_size((*found)->first(config_.max_messages_attribute)).value_or(0);
            const auto disabled = (*found)->first(config_.disabled_attribute);
            account.disabled = base::iequals(disabled, "true") || disabled == "1";
            return Entry{.account = std::move(account)};
        }
    }
    if (config_.alias_filter.empty()) return std::nullopt;
    const auto alias = search(config_.base, LDAP_SCOPE_SUBTREE, filter_for(config_.alias_filter, name));
    if (!alias) return std::unexpected(alias.error());
    Entry entry;
    if (*alias) {
        for (const auto& value : (*alias)->all(config_.alias_attribute)) {
            if (auto target = mail::parse_address(value)) entry.targets.push_back(*std::move(target));
        }
    }
    if (entry.targets.empty()) return std::nullopt;
    return entry;
}

base::Result<bool> LdapBackend::try_password(const mail::AccountName& name, const std::string& password) {
    // RFC 4513 §5.1.2: a bind with a name and no password succeeds and proves nothing.
    if (password.empty() || password.find('\0') != std::string::npos) return false;
    const auto found = person(name);
    if (!found) return std::unexpected(found.error());
    if (!*found || (*found)->dn.empty()) return false;
    Connection own(config_);
    if (auto open = own.open(); !open) return std::unexpected(std::move(open.error()));
    const int code = own.bind((*found)->dn, password);
    if (code == LDAP_SUCCESS) return true;
    if (code == LDAP_INVALID_CREDENTIALS || code == LDAP_INAPPROPRIATE_AUTH || code == LDAP_NO_SUCH_OBJECT)
        return false;
    return failure("bind as " + (*found)->dn, code);
}

net::Task<base::Result<std::optional<Entry>>> LdapBackend::find(net::Loop& loop, mail::AccountName name) {
    auto job = [this, name = std::move(name)] { return look(name); };
    co_return co_await net::offload(loop, pool_, std::move(job));
}

net::Task<base::Result<bool>> LdapBackend::check(net::Loop& loop, mail::AccountName name, std::string password) {
    auto job = [this, name = std::move(name), password = std::move(password)]() mutable {
        auto right = try_password(name, password);
        wipe(password);
        return right;
    };
    co_return co_await net::offload(loop, pool_, std::move(job));
}

}  // namespace posthorn::auth::impl
