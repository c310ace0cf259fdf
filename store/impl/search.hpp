// A search under way: what is decided in the account's turn, and what is read beside it.
#pragma once

#include <memory>
#include <vector>

#include "base/disk.hpp"
#include "store/impl/open_account.hpp"
#include "store/text_match.hpp"

namespace posthorn::store {

// A message whose bytes have to be read.
struct Unread {
    Wanted wanted;
    std::shared_ptr<base::File> file;
    Place place;
    bool keep = false;  // its text goes into the full-text index
};

struct Looked {
    TextAnswer answer;
    std::vector<Unread> unread;
};

// In the account's turn: of `wanted`, in its order, as far as a bounded piece of work goes; the rest goes into
// answer.rest.
base::Result<Looked> look_up(OpenAccount& open, const std::vector<Wanted>& wanted, const Needles& needles);

// Anywhere: reads them all and adds what holds of them to `answer`; answers the texts to keep, at most `limit` octets of
// each.
std::vector<Doc> read_unread(const std::vector<Unread>& unread, const Needles& needles, std::uint64_t limit,
                             TextAnswer& answer);

// In the account's turn.
void keep_texts(OpenAccount& open, const std::vector<Doc>& docs);
void forget_texts(OpenAccount& open, const std::vector<Located>& emails);

// What the full-text index has not taken in yet: in the account's turn.
struct Behind {
    std::vector<Unread> unread;
    EmailId upto = 0;  // the last that was looked at; 0: there is no more, or no index
};
base::Result<Behind> look_behind(OpenAccount& open, bool make, std::size_t limit);
// `upto`: as it was answered. After an error the same messages are behind as before.
base::Result<void> caught_up(OpenAccount& open, const std::vector<Doc>& docs, EmailId upto);

}  // namespace posthorn::store
