#include "control/account_commands.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

#include "auth/password.hpp"
#include "base/units.hpp"
#include "control/arguments.hpp"

namespace posthorn::control {
namespace {

template <class T>
using Result = base::Result<T>;

std::unexpected<base::Error> bad(std::string text) {
    return base::fail(base::ErrorKind::protocol, std::move(text));
}

// What the editor says as one reads it at the other end: a name that is taken is a refusal, what cannot be a bad
// request.
Result<Reply> reply_to(base::Error error) {
    if (error.code == EEXIST || error.code == ENOTEMPTY) {
        Reply out;
        out.refused = std::move(error.log_text);
        return out;
    }
    if (error.code == EINVAL) error.kind = base::ErrorKind::protocol;
    return std::unexpected(std::move(error));
}

Result<Reply> done_or(Result<void> done, Value result) {
    if (!done) return reply_to(std::move(done.error()));
    return Reply{.result = std::move(result), .info = {}};
}

Result<std::string> domain_arg(const Value& args) {
    auto key = mail::domain_key(text_arg(args, "domain"));
    const auto given = text_arg(args, "domain");
    if (given.empty()) return std::string();
    if (key.empty() || key.starts_with('[')) return bad(fmt::format("{} is not a domain", given));
    return key;
}

Result<mail::AccountName> name_arg(const Value& args, std::string_view argument) {
    const auto given = text_arg(args, argument);
    const auto address = mail::parse_address(given);
    auto name = address ? mail::account_name(*address) : std::nullopt;
    if (!name || address->literal()) return bad(fmt::format("{} is not an address", given));
    return *std::move(name);
}

Result<std::vector<mail::Address>> addresses_arg(const Value& args, std::string_view argument) {
    std::vector<mail::Address> out;
    const auto given = text_arg(args, argument);
    for (std::size_t at = 0; at < given.size();) {
        const auto comma = std::min(given.find(',', at), given.size());
        auto word = given.substr(at, comma - at);
        while (word.starts_with(' ')) word.remove_prefix(1);
        while (word.ends_with(' ')) word.remove_suffix(1);
        auto address = mail::parse_address(word);
        if (!address) return bad(fmt::format("{} is not an address", word));
        out.push_back(*std::move(address));
        at = comma + 1;
    }
    return out;
}

Result<std::optional<std::uint64_t>> size_arg(const Value& args, std::string_view argument) {
    const auto given = text_arg(args, argument);
    if (given.empty()) return std::nullopt;
    const auto size = base::parse_size(given);
    if (!size) return bad(fmt::format("{} wants a size such as 500MiB, not {}", argument, given));
    return size;
}

template <class N>
std::optional<N> number_arg(const Value& args, std::string_view argument) {
    const auto* given = args.find(argument);
    const auto n = given != nullptr ? given->integer() : std::nullopt;
    return n ? std::optional<N>(static_cast<N>(*n)) : std::nullopt;
}

Result<auth::AccountChange> change_arg(const Value& args) {
    auth::AccountChange out;
    if (const auto* name = args.find("name")) out.display_name = std::string(name->text());
    const auto quota = size_arg(args, "quota");
    if (!quota) return std::unexpected(quota.error());
    out.quota_bytes = *quota;
    const auto size = size_arg(args, "max_message_size");
    if (!size) return std::unexpected(size.error());
    out.max_message_size = *size;
    out.quota_messages = number_arg<std::uint64_t>(args, "max_messages");
    out.messages_per_hour = number_arg<std::uint32_t>(args, "messages_per_hour");
    out.recipients_per_day = number_arg<std::uint32_t>(args, "recipients_per_day");
    if (flag_arg(args, "disable") && flag_arg(args, "enable")) return bad("disable and enable at once?");
    if (flag_arg(args, "disable")) out.disabled = true;
    if (flag_arg(args, "enable")) out.disabled = false;
    return out;
}

bool empty(const auth::AccountChange& change) {
    return !change.display_name && !change.disabled && !change.quota_bytes && !change.quota_messages &&
           !change.messages_per_hour && !change.recipients_per_day && !change.max_message_size;
}

Value list_of(const std::vector<mail::Address>& addresses) {
    auto out = Value::list();
    for (const auto& address : addresses) out.add(address.to_string());
    return out;
}

Value bound(std::uint64_t n, std::string text) { return n == 0 ? Value() : Value(std::move(text)); }

Value row(const auth::Account& account) {
    auto out = Value::map();
    out.set("account", account.name.text())
        .set("name", account.display_name)
        .set("disabled", account.disabled)
        .set("quota", bound(account.quota.bytes, base::format_size(account.quota.bytes)))
        .set("max_messages", bound(account.quota.messages, std::to_string(account.quota.messages)));
    return out;
}

Value row(const auth::DomainInfo& domain) {
    auto out = Value::map();
    out.set("domain", domain.name).set("accounts", domain.accounts).set("aliases", domain.aliases);
    out.set("catch_all", list_of(domain.catch_all));
    return out;
}

Value row(const auth::AliasInfo& alias) {
    return Value::map().set("alias", alias.name.text()).set("targets", list_of(alias.targets));
}

Value details(const auth::AccountInfo& info) {
    const auto& send = info.account.send;
    auto out = row(info.account);
    out.set("messages_per_hour", bound(send.messages_per_hour, std::to_string(send.messages_per_hour)))
        .set("recipients_per_day", bound(send.recipients_per_day, std::to_string(send.recipients_per_day)))
        .set("max_message_size", bound(send.max_message_size, base::format_size(send.max_message_size)))
        .set("created", base::format_time(info.created))
        .set("password", info.scheme.empty() ? "none" : info.scheme)
        .set("scram", info.scram)
        .set("password_changed", base::format_time(info.password_changed));
    auto apps = Value::list();
    for (const auto& app : info.app_passwords) {
        apps.add(Value::map()
                     .set("number", app.id)
                     .set("app", app.label)
                     .set("service", app.service)
                     .set("created", base::format_time(app.created)));
    }
    out.set("app_passwords", std::move(apps));
    return out;
}

template <class T>
Reply table_of(const std::vector<T>& rows) {
    auto list = Value::list();
    for (const auto& one : rows) list.add(row(one));
    return {.result = std::move(list), .info = {}};
}

// The password that is meant, and whether it was made here.
struct Wanted {
    std::string password;
    bool generated = false;
};
Result<Wanted> password_arg(const Value& args) {
    Wanted out;
    out.password = text_arg(args, "password");
    out.generated = flag_arg(args, "generate");
    const bool none = flag_arg(args, "no_password");
    if (static_cast<int>(!out.password.empty()) + out.generated + none != 1)
        return bad("one of password, generate and no_password is needed");
    if (flag_arg(args, "hashed") && out.password.empty()) return bad("hashed goes with a hash");
    if (flag_arg(args, "hashed") && !auth::known_scheme(out.password))
        return bad("this is no hash of a scheme that is known here");
    if (out.generated) out.password = auth::generate_password();
    return out;
}

class AccountCommands {
public:
    explicit AccountCommands(auth::Editor& editor) : editor_(editor) {}

    net::Task<Result<Reply>> add_domain(net::Loop& loop, Value args) const {
        auto domain = domain_arg(args);
        if (!domain) co_return std::unexpected(domain.error());
        auto result = Value::map().set("added", *domain);
        auto done = co_await editor_.add_domain(loop, *std::move(domain));
        co_return done_or(std::move(done), std::move(result));
    }

    net::Task<Result<Reply>> list_domains(net::Loop& loop, Value) const {
        auto all = co_await editor_.domains(loop);
        if (!all) co_return reply_to(std::move(all.error()));
        co_return table_of(*all);
    }

    net::Task<Result<Reply>> show_domain(net::Loop& loop, Value args) const {
        const auto domain = domain_arg(args);
        if (!domain) co_return std::unexpected(domain.error());
        auto all = co_await editor_.domains(loop);
        if (!all) co_return reply_to(std::move(all.error()));
        for (const auto& one : *all) {
            if (one.name == *domain) co_return Reply{.result = row(one), .info = {}};
        }
        co_return base::fail(base::ErrorKind::permanent, fmt::format("there is no domain {}", *domain));
    }

    net::Task<Result<Reply>> set_domain(net::Loop& loop, Value args) const {
        auto domain = domain_arg(args);
        if (!domain) co_return std::unexpected(domain.error());
        auto targets = addresses_arg(args, "catch_all");
        if (!targets) co_return std::unexpected(targets.error());
        if (targets->empty() == !flag_arg(args, "no_catch_all"))
            co_return bad("one of catch_all and no_catch_all is needed");
        auto result = Value::map().set("changed", *domain);
        auto done = co_await editor_.set_catch_all(loop, *std::move(domain), *std::move(targets));
        co_return done_or(std::move(done), std::move(result));
    }

    net::Task<Result<Reply>> remove_domain(net::Loop& loop, Value args) const {
        auto domain = domain_arg(args);
        if (!domain) co_return std::unexpected(domain.error());
        if (!flag_arg(args, "yes")) co_return bad("say yes: what is removed is gone");
        auto result = Value::map().set("removed", *domain);
        auto done = co_await editor_.remove_domain(loop, *std::move(domain), flag_arg(args, "everything"));
        co_return done_or(std::move(done), std::move(result));
    }

    net::Task<Result<Reply>> add_account(net::Loop& loop, Value args) const {
        const auto name = name_arg(args, "account");
        if (!name) co_return std::unexpected(name.error());
        auto change = change_arg(args);
        if (!change) co_return std::unexpected(change.error());
        auto wanted = password_arg(args);
        if (!wanted) co_return std::unexpected(wanted.error());
        auto result = Value::map().set("added", name->text());
        if (wanted->generated) result.set("password", wanted->password);
        const bool hashed = flag_arg(args, "hashed");
        auto password = hashed ? std::string() : wanted->password;
        auto done = co_await editor_.add_account(loop, *name, std::move(password), *std::move(change));
        if (done && hashed) done = co_await editor_.set_hash(loop, *name, wanted->password);
        co_return done_or(std::move(done), std::move(result));
    }

    net::Task<Result<Reply>> list_accounts(net::Loop& loop, Value args) const {
        auto domain = domain_arg(args);
        if (!domain) co_return std::unexpected(domain.error());
        auto all = co_await editor_.accounts(loop, *std::move(domain));
        if (!all) co_return reply_to(std::move(all.error()));
        co_return table_of(*all);
    }

    net::Task<Result<Reply>> show_account(net::Loop& loop, Value args) const {
        const auto name = name_arg(args, "account");
        if (!name) co_return std::unexpected(name.error());
        auto info = co_await editor_.account_info(loop, *name);
        if (!info) co_return reply_to(std::move(info.error()));
        auto aliases = co_await editor_.aliases(loop, std::string());
        if (!aliases) co_return reply_to(std::move(aliases.error()));
        auto leading = Value::list();
        for (const auto& alias : *aliases) {
            const auto here = [&](const mail::Address& to) { return mail::account_name(to) == *name; };
            if (std::ranges::any_of(alias.targets, here)) leading.add(alias.name.text());
        }
        co_return Reply{.result = details(*info).set("aliases", std::move(leading)), .info = {}};
    }

    net::Task<Result<Reply>> set_account(net::Loop& loop, Value args) const {
        auto name = name_arg(args, "account");
        if (!name) co_return std::unexpected(name.error());
        auto change = change_arg(args);
        if (!change) co_return std::unexpected(change.error());
        if (empty(*change)) co_return bad("what is to change?");
        auto result = Value::map().set("changed", name->text());
        auto done = co_await editor_.set_account(loop, *std::move(name), *std::move(change));
        co_return done_or(std::move(done), std::move(result));
    }

    net::Task<Result<Reply>> set_password(net::Loop& loop, Value args) const {
        auto name = name_arg(args, "account");
        if (!name) co_return std::unexpected(name.error());
        if (args.find("app") != nullptr || args.find("remove_app") != nullptr)
            co_return co_await app_password(loop, *std::move(name), std::move(args));
        auto wanted = password_arg(args);
        if (!wanted) co_return std::unexpected(wanted.error());
        auto result = Value::map().set("changed", name->text());
        if (wanted->generated) result.set("password", wanted->password);
        auto changing = flag_arg(args, "hashed") ? editor_.set_hash(loop, *name, wanted->password)
                                                 : editor_.set_password(loop, *name, wanted->password);
        auto done = co_await std::move(changing);
        co_return done_or(std::move(done), std::move(result));
    }

    net::Task<Result<Reply>> remove_account(net::Loop& loop, Value args) const {
        auto name = name_arg(args, "account");
        if (!name) co_return std::unexpected(name.error());
        if (!flag_arg(args, "yes")) co_return bad("say yes: what is removed is gone");
        auto result = Value::map().set("removed", name->text());
        auto done = co_await editor_.remove_account(loop, *std::move(name));
        co_return done_or(std::move(done), std::move(result));
    }

    net::Task<Result<Reply>> add_alias(net::Loop& loop, Value args) const {
        co_return co_await change_alias(loop, std::move(args), &auth::Editor::add_alias, "added");
    }
    net::Task<Result<Reply>> set_alias(net::Loop& loop, Value args) const {
        co_return co_await change_alias(loop, std::move(args), &auth::Editor::set_alias, "changed");
    }
    net::Task<Result<Reply>> remove_alias(net::Loop& loop, Value args) const {
        co_return co_await change_alias(loop, std::move(args), &auth::Editor::remove_alias, "removed");
    }

    net::Task<Result<Reply>> list_aliases(net::Loop& loop, Value args) const {
        auto domain = domain_arg(args);
        if (!domain) co_return std::unexpected(domain.error());
        auto all = co_await editor_.aliases(loop, *std::move(domain));
        if (!all) co_return reply_to(std::move(all.error()));
        co_return table_of(*all);
    }

    net::Task<Result<Reply>> show_alias(net::Loop& loop, Value args) const {
        const auto name = name_arg(args, "alias");
        if (!name) co_return std::unexpected(name.error());
        auto all = co_await editor_.aliases(loop, name->domain);
        if (!all) co_return reply_to(std::move(all.error()));
        for (const auto& one : *all) {
            if (one.name == *name) co_return Reply{.result = row(one), .info = {}};
        }
        co_return base::fail(base::ErrorKind::permanent, fmt::format("there is no alias {}", name->text()));
    }

private:
    using AliasChange = net::Task<Result<void>> (auth::Editor::*)(net::Loop&, mail::AccountName,
                                                                  std::vector<mail::Address>);
    net::Task<Result<Reply>> change_alias(net::Loop& loop, Value args, AliasChange change, const char* what) const {
        auto name = name_arg(args, "alias");
        if (!name) co_return std::unexpected(name.error());
        auto targets = addresses_arg(args, "targets");
        if (!targets) co_return std::unexpected(targets.error());
        if (targets->empty() && args.find("targets") != nullptr) co_return bad("no target is given");
        auto result = Value::map().set(what, name->text()).set("targets", list_of(*targets));
        auto done = co_await (editor_.*change)(loop, *std::move(name), *std::move(targets));
        co_return done_or(std::move(done), std::move(result));
    }

    net::Task<Result<Reply>> app_password(net::Loop& loop, mail::AccountName name, Value args) const {
        auto result = Value::map().set("changed", name.text());
        if (const auto id = number_arg<std::int64_t>(args, "remove_app")) {
            auto done = co_await editor_.remove_app_password(loop, std::move(name), *id);
            co_return done_or(std::move(done), std::move(result));
        }
        std::string label(text_arg(args, "app"));
        std::string service(text_arg(args, "service"));
        auto made = co_await editor_.add_app_password(loop, std::move(name), std::move(label), std::move(service));
        if (!made) co_return reply_to(std::move(made.error()));
        co_return Reply{.result = std::move(result.set("password", *std::move(made))), .info = {}};
    }

    auth::Editor& editor_;
};

}  // namespace

Handlers make_account_handlers(auth::Editor& editor) {
    const auto commands = std::make_shared<AccountCommands>(editor);
    const NamedMethod<AccountCommands> methods[] = {
        {"domain.add", &AccountCommands::add_domain},         {"domain.list", &AccountCommands::list_domains},
        {"domain.show", &AccountCommands::show_domain},       {"domain.set", &AccountCommands::set_domain},
        {"domain.remove", &AccountCommands::remove_domain},   {"account.add", &AccountCommands::add_account},
        {"account.list", &AccountCommands::list_accounts},    {"account.show", &AccountCommands::show_account},
        {"account.set", &AccountCommands::set_account},       {"account.passwd", &AccountCommands::set_password},
        {"account.remove", &AccountCommands::remove_account}, {"alias.add", &AccountCommands::add_alias},
        {"alias.list", &AccountCommands::list_aliases},       {"alias.show", &AccountCommands::show_alias},
        {"alias.set", &AccountCommands::set_alias},           {"alias.remove", &AccountCommands::remove_alias},
    };
    return handlers_of(commands, methods);
}

}  // namespace posthorn::control
