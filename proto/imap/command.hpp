// Every command a client can send us, as plain values: RFC 9051, RFC 3501, and the extensions that CAPABILITY names or
// will name. Mailbox names are UTF-8 here, whatever the wire said. APPEND and REPLACE: proto/imap/append_parser.hpp.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "proto/imap/fetch_item.hpp"
#include "proto/imap/flags.hpp"
#include "proto/imap/search_key.hpp"
#include "proto/imap/sequence_set.hpp"

namespace posthorn::imap {

// clang-format off
// ---- any state
struct Capability {};
struct Noop {};
struct Logout {};
struct Id { std::vector<std::pair<std::string, std::optional<std::string>>> fields; };  // RFC 2971

// ---- not authenticated
struct StartTls {};
struct Authenticate { std::string mechanism; std::optional<std::string> initial; };  // Base64; "" was "="
struct Login { std::string user; std::string password; };

// ---- authenticated
struct Enable { std::vector<std::string> names; };  // upper case
struct Qresync {  // RFC 7162 §3.2.5
    std::uint32_t uid_validity = 0;
    std::uint64_t modseq = 0;
    std::optional<SequenceSet> known;
    std::optional<std::pair<SequenceSet, SequenceSet>> matches;  // numbers, UIDs
};
struct Select { std::string mailbox; bool examine = false; bool condstore = false; std::optional<Qresync> qresync; };
struct Create { std::string mailbox; std::vector<std::string> uses; };  // "\Sent" (RFC 6154 §3)
struct Delete { std::string mailbox; };
struct Rename { std::string from; std::string to; };
struct Subscribe { std::string mailbox; bool on = true; };
struct Namespace {};

enum class StatusItem : std::uint8_t {
    messages, uid_next, uid_validity, unseen, deleted, size, recent, highest_modseq, append_limit, mailbox_id,
    deleted_storage,
};
struct Status { std::string mailbox; std::vector<StatusItem> items; };

struct List {
    bool lsub = false;
    bool extended = false;  // RFC 5258 syntax
    std::string reference;
    std::vector<std::string> patterns;
    // selection
    bool subscribed = false, remote = false, recursive_match = false, special_use = false;
    // what is told
    bool return_subscribed = false, return_children = false, return_special_use = false, return_my_rights = false;
    std::optional<std::vector<StatusItem>> return_status;  // RFC 5819
};
struct Idle {};

// RFC 9208
struct GetQuota { std::string root; };
struct GetQuotaRoot { std::string mailbox; };
struct SetQuota { std::string root; std::vector<std::pair<std::string, std::uint64_t>> limits; };
// RFC 4314
struct SetAcl { std::string mailbox; std::string identifier; std::string rights; };
struct DeleteAcl { std::string mailbox; std::string identifier; };
struct GetAcl { std::string mailbox; };
struct ListRights { std::string mailbox; std::string identifier; };
struct MyRights { std::string mailbox; };
// RFC 5464
struct GetMetadata {
    std::string mailbox;  // "": of the server
    std::vector<std::string> entries;
    std::optional<std::uint64_t> max_size;
    std::optional<unsigned> depth;  // 0, 1; 2: infinity
};
struct SetMetadata { std::string mailbox; std::vector<std::pair<std::string, std::optional<std::string>>> entries; };
// RFC 5465
struct NotifyGroup {
    enum class Which : std::uint8_t { selected, selected_delayed, inboxes, personal, subscribed, subtree, mailboxes };
    Which which = Which::selected;
    std::vector<std::string> mailboxes;
    std::vector<std::string> events;  // as written; none: NONE
    std::vector<FetchItem> fetch;     // of MessageNew
};
struct Notify { bool none = false; bool status = false; std::vector<NotifyGroup> groups; };
struct Compress {};  // DEFLATE (RFC 4978)

// ---- selected
struct Check {};
struct Close {};
struct Unselect {};
struct Expunge { std::optional<SequenceSet> uids; };

struct Results {  // RETURN (RFC 4731, RFC 5182, RFC 9394)
    bool given = false;
    bool min = false, max = false, all = false, count = false, save = false;
    std::optional<std::pair<std::int64_t, std::int64_t>> partial;  // both > 0, or both < 0: from the end
    // RFC 5182 §2.1: SAVE alone tells nothing.
    bool saves_only() const { return given && !min && !max && !all && !count && !partial; }
};
struct Search { Results results; std::string charset; SearchKey key; };
struct SortCriterion {
    enum class By : std::uint8_t { arrival, cc, date, display_from, display_to, from, size, subject, to };
    By by = By::arrival;
    bool reverse = false;
};
struct Sort { Results results; std::vector<SortCriterion> criteria; std::string charset; SearchKey key; };
struct Thread { std::string algorithm; std::string charset; SearchKey key; };

struct Fetch {
    SequenceSet set;
    std::vector<FetchItem> items;
    std::optional<std::uint64_t> changed_since;  // RFC 7162 §3.1.4.1
    bool vanished = false;
    std::optional<std::pair<std::int64_t, std::int64_t>> partial;  // RFC 9394 §3.3
};
struct Store {
    enum class How : std::uint8_t { replace, add, remove };
    SequenceSet set;
    How how = How::replace;
    bool silent = false;
    FlagList flags;
    std::optional<std::uint64_t> unchanged_since;
};
struct Copy { SequenceSet set; std::string mailbox; bool move = false; };
// clang-format on

struct Command {
    std::string tag;
    bool uid = false;       // UID FETCH, …
    std::string_view verb;  // as in our table, "FETCH"
    std::variant<Noop, Capability, Logout, Id, StartTls, Authenticate, Login, Enable, Select, Create, Delete,
                 Rename, Subscribe, Namespace, Status, List, Idle, GetQuota, GetQuotaRoot, SetQuota, SetAcl,
                 DeleteAcl, GetAcl, ListRights, MyRights, GetMetadata, SetMetadata, Notify, Compress, Check, Close,
                 Unselect, Expunge, Search, Sort, Thread, Fetch, Store, Copy>
        what;
};

// In which states a command may come.
enum class When : std::uint8_t { any, not_authenticated, authenticated, selected };

}  // namespace posthorn::imap
