// The full text of an account's mail: search.sqlite beside the index. It is made from the bodies, and thrown away when
// anything is wrong with it: losing it costs time alone. Used in the account's turn. docs/store.md has the tables.
//
// A text is cut into columns of 4 KiB; 1024 columns are a group. A sealed group has 4096 rows of a bit for each column:
// the row of a text's trigram (its hash) has that column's bit. So the columns in which all trigrams of a needle stand,
// and few others, are found by looking at a row for each trigram, 128 octets long.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/sqlite/database.hpp"
#include "store/text_match.hpp"
#include "store/values.hpp"

namespace posthorn::store {

// A message's text, folded.
struct Doc {
    EmailId email = 0;
    std::uint64_t size = 0;  // of the message
    std::string head;        // lines "\nNAME: value"
    std::string body;
    bool whole = true;  // false: the rest was more than is kept
};

class SearchIndex {
public:
    static constexpr std::uint64_t kColumn = 4096;  // octets
    static constexpr std::uint64_t kGroup = 1024;   // columns

    // Makes it when `make`, else ENOENT. `next_id`: of the account's index; an index that knows less than this one is
    // another one. Damage: EUCLEAN.
    static base::Result<std::unique_ptr<SearchIndex>> open(const std::string& path, EmailId next_id, bool make);
    static void remove_files(const std::string& path);

    base::sqlite::Database& db() { return *db_; }
    std::uint64_t groups() const { return sealed_; }

    // All of them or none. At most one group is sealed on the way.
    base::Result<void> add(const std::vector<Doc>& docs);
    base::Result<void> remove(const std::vector<EmailId>& emails);
    // Emails up to here were looked at in the background.
    EmailId upto() const { return upto_; }
    base::Result<void> set_upto(EmailId email);

    // What is known of a message without its text.
    struct Known {
        EmailId email = 0;
        std::uint64_t size = 0;
        std::uint64_t head = 0;  // octets of the text that are its header
        bool whole = false;
        bool envelope_whole = false;
        std::uint64_t column = 0;  // the first
        std::uint64_t columns = 0;
        std::string_view envelope;  // the lines of fields that is_envelope() names
    };
    static bool is_envelope(std::string_view folded_name);

    // Finds messages by their emails' ids, fast where they come ascending and close together.
    class Cursor {
    public:
        explicit Cursor(SearchIndex& index) : index_(index) {}
        const Known* find(EmailId email);  // null: it is not known; valid until the next call

    private:
        void next();
        SearchIndex& index_;
        std::optional<base::sqlite::Query> rows_;
        Known at_;
        EmailId asked_ = 0;
        bool end_ = false;
    };

    // Which messages may hold a needle.
    class Sieve {
    public:
        Sieve(SearchIndex& index, const Needles& needles) : index_(index), needles_(needles) {}
        bool may_hold(const Known& known, std::size_t key);

    private:
        using Bits = std::array<std::uint64_t, kGroup / 64>;
        const Bits& bits(std::uint64_t group, std::string_view part);
        SearchIndex& index_;
        const Needles& needles_;
        std::map<std::pair<std::uint64_t, std::string_view>, Bits> known_;  // of one group at a time
    };

    std::string text(EmailId email);  // header, then body

private:
    explicit SearchIndex(std::unique_ptr<base::sqlite::Database> db) : db_(std::move(db)) {}
    base::Result<void> load(EmailId next_id);
    base::Result<void> seal();
    void write_state();

    std::unique_ptr<base::sqlite::Database> db_;
    std::uint64_t next_column_ = 0;
    std::uint64_t sealed_ = 0;  // groups
    std::uint64_t dead_ = 0;    // columns of messages that are gone
    EmailId upto_ = 0;
};

}  // namespace posthorn::store
