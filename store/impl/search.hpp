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
};

struct Looked {
    TextAnswer answer;
    std::vector<Unread> unread;
};

// In the account's turn: of `wanted`, in its order, as far as a bounded piece of work goes; the rest goes into
// answer.rest.
base::Result<Looked> look_up(OpenAccount& open, const std::vector<Wanted>& wanted, const Needles& needles);

// Anywhere: reads them all and adds them to `answer`.
void read_unread(const std::vector<Unread>& unread, const Needles& needles, TextAnswer& answer);

}  // namespace posthorn::store
