#include "store/config.hpp"

namespace posthorn::store {

base::config::Table<Config> config_table() {
    using namespace base::config;
    using namespace std::chrono_literals;
    return Table<Config>("The mailboxes.")
        .key(
            "backend", &Config::backend,
            choice<BackendKind>({{"packs", BackendKind::packs}, {"maildir", BackendKind::maildir}}),
            "How mail is kept: in files of this server alone, or in a Maildir for each account that other programs "
            "may read and write at the same time. To change it later, export the accounts and import them again.")
        .key("pack_limit", &Config::pack_limit, size<std::uint64_t>({0, std::uint64_t{1} << 20U}),
             "A message up to this size is kept in a file with others, a larger one in a file of its own.")
        .key("pack_size", &Config::pack_size,
             size<std::uint64_t>({std::uint64_t{1} << 20U, std::uint64_t{1} << 30U}),
             "Size at which a file of many messages is followed by a new one.")
        .key("max_open_accounts", &Config::max_open_accounts, integer<std::uint32_t>({8, 100'000}),
             "Accounts whose index is kept open; each takes three file descriptors.")
        .key("threads", &Config::threads, integer<std::uint32_t>({1, 64}), "Threads that read and write mailboxes.")
        .key("undelete_grace", &Config::undelete_grace, duration({0s, 24h * 365}),
             "How long expunged messages can be brought back (mailctl store undelete); 0: not at all.")
        .key("garbage_interval", &Config::garbage_interval, duration({1s, 24h}),
             "How often the accounts in use are looked through for what can be thrown away.")
        .key("garbage_batch", &Config::garbage_batch, integer<std::uint32_t>({1, 100'000}),
             "At most so many messages of an account are thrown away in one step.")
        .key("garbage_pause", &Config::garbage_pause, duration({0s, 1min}), "How long it rests between two steps.")
        .key("change_log_age", &Config::change_log_age, duration({1min, 24h * 3650}),
             "How long changes are remembered; a client away for longer reads its mailboxes anew.")
        .key("change_log_rows", &Config::change_log_rows, integer<std::uint32_t>({100, 10'000'000}),
             "How many changes of an account are remembered.")
        .key("snapshot_interval", &Config::snapshot_interval, duration({0s, 24h * 365}),
             "How often a copy of an account's index is put aside, from which repair can start; 0: never.")
        .key("search_index", &Config::search_index,
             choice<Config::SearchIndex>({{"never", Config::SearchIndex::never},
                                          {"searched", Config::SearchIndex::searched},
                                          {"always", Config::SearchIndex::always}}),
             "Which accounts get a full-text index: those that were searched once, or all. Without one a search "
             "reads "
             "every message.")
        .key("search_text_limit", &Config::search_text_limit,
             size<std::uint64_t>({std::uint64_t{4} << 10U, std::uint64_t{64} << 20U}),
             "How much text of one message a full-text index keeps; what is longer is read again when it is "
             "searched.")
        .key("search_interval", &Config::search_interval, duration({100ms, 24h}),
             "How often what is new in accounts in use goes into their full-text index.")
        .key("search_batch", &Config::search_batch, integer<std::uint32_t>({1, 10'000}),
             "At most so many messages go into a full-text index in one step.")
        .key("search_pause", &Config::search_pause, duration({0s, 1min}), "How long it rests between two steps.");
}

}  // namespace posthorn::store
