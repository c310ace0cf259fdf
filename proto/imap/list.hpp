// What LIST and LSUB answer (RFC 9051 §6.3.9, RFC 5258, RFC 6154, RFC 3501 §6.3.9): pure. Mailboxes in, rows out.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "proto/imap/command.hpp"

namespace posthorn::imap {

inline constexpr char kSeparator = '/';

struct ListEntry {
    std::string name;  // UTF-8
    bool exists = true;
    bool subscribed = false;
    std::string_view use;  // "\Sent"; "" for none
};

struct ListRow {
    std::string name;
    std::vector<std::string_view> attributes;
    bool child_subscribed = false;  // CHILDINFO ("SUBSCRIBED")
    bool exists = true;             // STATUS may be told
};

// `*` stands for anything, `%` for anything within a level; INBOX in any case.
bool list_match(std::string_view pattern, std::string_view name);

// Holds the names of an account against a LIST in slices: many long patterns and many names take their time.
class ListRun {
public:
    ListRun(const List& list, std::vector<ListEntry> entries);
    ~ListRun();
    // Compares about `octets` octets of patterns with octets of names; false: that was all.
    bool match(std::size_t octets);
    // Then, by name. Mailboxes that are not there but have some below them come as \NonExistent.
    std::vector<ListRow> rows() const;

private:
    struct State;
    std::unique_ptr<State> state_;
};

// All at once.
std::vector<ListRow> list_rows(const List& list, std::vector<ListEntry> entries);

// "* LIST (\HasNoChildren) "/" name" with its line end.
void put_list_row(std::string& out, const List& list, const ListRow& row, bool utf8);

}  // namespace posthorn::imap
