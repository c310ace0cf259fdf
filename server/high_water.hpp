// How far each account's counters may have gone, as the store asks for it, kept by the directory.
#pragma once

#include "auth/high_marks.hpp"
#include "store/high_water.hpp"

namespace posthorn::server {

class HighWater final : public store::HighWater {
public:
    explicit HighWater(auth::HighMarks& marks) : marks_(marks) {}

    base::Result<store::Mark> get(const mail::AccountName& account) override {
        const auto mark = marks_.mark(account);
        if (!mark) return std::unexpected(mark.error());
        return store::Mark{mark->modseq, mark->uid_validity};
    }
    base::Result<void> raise(const mail::AccountName& account, store::Mark mark) override {
        return marks_.raise_mark(account, {mark.modseq, mark.uid_validity});
    }

private:
    auth::HighMarks& marks_;
};

}  // namespace posthorn::server
