#include "proto/imap/parser.hpp"

#include <array>
#include <utility>

#include "base/ascii.hpp"
#include "proto/imap/limits.hpp"

namespace posthorn::imap {
namespace {

using detail::Body;

template <class T>
Body plain(Scanner&) {
    return T{};
}

template <class T>
Body with_mailbox(Scanner& s) {
    s.space();
    return T{s.mailbox()};
}

struct Verb {
    std::string_view name;
    When when;
    Body (*parse)(Scanner&);
    bool may_uid = false;  // UID before it
    bool only_uid = false;
};

constexpr auto kVerbs = std::to_array<Verb>({
    {"NOOP", When::any, plain<Noop>},
    {"CAPABILITY", When::any, plain<Capability>},
    {"LOGOUT", When::any, plain<Logout>},
    {"ID", When::any, detail::parse_id},
    {"STARTTLS", When::not_authenticated, plain<StartTls>},
    {"AUTHENTICATE", When::not_authenticated, detail::parse_authenticate},
    {"LOGIN", When::not_authenticated, detail::parse_login},
    {"FETCH", When::selected, detail::parse_fetch, true},
    {"STORE", When::selected, detail::parse_store, true},
    {"SEARCH", When::selected, detail::parse_search, true},
    {"COPY", When::selected, detail::parse_copy, true},
    {"MOVE", When::selected, detail::parse_move, true},
    {"SORT", When::selected, detail::parse_sort, true},
    {"THREAD", When::selected, detail::parse_thread, true},
    {"EXPUNGE", When::selected, plain<Expunge>},
    {"EXPUNGE", When::selected, detail::parse_expunge, true, true},
    {"CHECK", When::selected, plain<Check>},
    {"CLOSE", When::selected, plain<Close>},
    {"UNSELECT", When::selected, plain<Unselect>},
    {"IDLE", When::authenticated, plain<Idle>},
    {"SELECT", When::authenticated, detail::parse_select},
    {"EXAMINE", When::authenticated, detail::parse_examine},
    {"STATUS", When::authenticated, detail::parse_status},
    {"LIST", When::authenticated, detail::parse_list},
    {"LSUB", When::authenticated, detail::parse_lsub},
    {"CREATE", When::authenticated, detail::parse_create},
    {"DELETE", When::authenticated, with_mailbox<Delete>},
    {"RENAME", When::authenticated, detail::parse_rename},
    {"SUBSCRIBE", When::authenticated, with_mailbox<Subscribe>},
    {"UNSUBSCRIBE", When::authenticated,
     [](Scanner& s) -> Body {
         s.space();
         return Subscribe{s.mailbox(), false};
     }},
    {"NAMESPACE", When::authenticated, plain<Namespace>},
    {"ENABLE", When::authenticated, detail::parse_enable},
    {"NOTIFY", When::authenticated, detail::parse_notify},
    {"COMPRESS", When::authenticated, detail::parse_compress},
    {"GETQUOTA", When::authenticated,
     [](Scanner& s) -> Body {
         s.space();
         return GetQuota{s.astring()};
     }},
    {"GETQUOTAROOT", When::authenticated, with_mailbox<GetQuotaRoot>},
    {"SETQUOTA", When::authenticated, detail::parse_set_quota},
    {"GETACL", When::authenticated, with_mailbox<GetAcl>},
    {"MYRIGHTS", When::authenticated, with_mailbox<MyRights>},
    {"SETACL", When::authenticated,
     [](Scanner& s) -> Body {
         SetAcl acl;
         s.space();
         acl.mailbox = s.mailbox();
         s.space();
         acl.identifier = s.astring();
         s.space();
         acl.rights = s.astring();
         return acl;
     }},
    {"DELETEACL", When::authenticated,
     [](Scanner& s) -> Body {
         DeleteAcl acl;
         s.space();
         acl.mailbox = s.mailbox();
         s.space();
         acl.identifier = s.astring();
         return acl;
     }},
    {"LISTRIGHTS", When::authenticated,
     [](Scanner& s) -> Body {
         ListRights rights;
         s.space();
         rights.mailbox = s.mailbox();
         s.space();
         rights.identifier = s.astring();
         return rights;
     }},
    {"GETMETADATA", When::authenticated, detail::parse_get_metadata},
    {"SETMETADATA", When::authenticated, detail::parse_set_metadata},
});

const Verb* find_verb(std::string_view word, bool uid) {
    for (const auto& verb : kVerbs) {
        if (!base::iequals(verb.name, word)) continue;
        if (uid ? verb.may_uid : !verb.only_uid) return &verb;
    }
    return nullptr;
}

std::unexpected<ParseError> refuse(std::string_view tag, std::string_view text, bool unknown = false) {
    return std::unexpected(ParseError{std::string(tag), std::string(text), unknown});
}

}  // namespace

std::expected<Parsed, ParseError> parse_command(std::string_view text, ParseOptions options) {
    Scanner s(text, options.utf8);
    const auto tag = s.tag();
    if (!s.ok()) return refuse({}, s.failure());
    s.space();
    auto word = s.word();
    if (!s.ok()) return refuse(tag, s.failure());
    const bool uid = word == "UID";
    if (uid) {
        s.space();
        word = s.word();
        if (!s.ok()) return refuse(tag, s.failure());
    }
    const auto* verb = find_verb(word, uid);
    if (verb == nullptr) return refuse(tag, "There is no such command", true);
    Parsed parsed{{.tag = std::string(tag), .uid = uid, .verb = verb->name, .what = verb->parse(s)}, verb->when};
    s.end();
    if (!s.ok()) return refuse(tag, s.failure());
    return parsed;
}

}  // namespace posthorn::imap
