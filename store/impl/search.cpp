#include "store/impl/search.hpp"

#include <algorithm>

namespace posthorn::store {

namespace {

constexpr std::size_t kUnread = 64;  // messages read at once,
constexpr std::uint64_t kUnreadOctets = std::uint64_t{4} << 20U;

// Opens what it has not opened just before.
class Opener {
public:
    explicit Opener(OpenAccount& open) : open_(open) {}
    // Null: there is no such body.
    std::shared_ptr<base::File> file(EmailId email, const Place& place) {
        if (last_ && place.pack != 0 && place.pack == pack_) return last_;
        auto opened = open_.bodies().open(email, place);
        last_ = opened ? *std::move(opened) : nullptr;
        pack_ = place.pack;
        return last_;
    }

private:
    OpenAccount& open_;
    std::shared_ptr<base::File> last_;
    std::uint64_t pack_ = 0;
};

// False: it cannot be read to its end.
bool read_text(const Unread& one, mail::SearchTextSink& sink, const TextMatcher* enough) {
    mail::SearchText text(sink);
    std::string piece;
    for (std::uint64_t at = 0; at < one.place.size;) {
        piece.resize(std::min<std::uint64_t>(kPiece, one.place.size - at));
        const auto got = one.file->read(one.place.offset + at, piece);
        if (!got || *got == 0) return false;
        text.feed(std::string_view(piece).substr(0, *got));
        at += *got;
        if (enough != nullptr && enough->done()) return true;
    }
    text.finish();
    return true;
}

}  // namespace

base::Result<Looked> look_up(OpenAccount& open, const std::vector<Wanted>& wanted, const Needles& needles) {
    Looked out;
    out.answer.found.resize(needles.keys().size());
    Opener opener(open);
    std::uint64_t octets = 0;
    for (const auto& one : wanted) {
        if (out.unread.size() >= kUnread || octets >= kUnreadOctets) {
            out.answer.rest.add(one.id);
            continue;
        }
        const auto found = open.index().locate(one.email);
        if (!found) continue;
        if (auto file = opener.file(one.email, found->place)) out.unread.push_back({one, file, found->place});
        octets += one.size;
    }
    return out;
}

void read_unread(const std::vector<Unread>& unread, const Needles& needles, TextAnswer& answer) {
    for (const auto& one : unread) {
        TextMatcher matcher(needles);
        if (!read_text(one, matcher, &matcher)) continue;
        for (std::size_t key = 0; key < answer.found.size(); ++key) {
            if (matcher.matches(key)) answer.found[key].add(one.wanted.id);
        }
    }
}

}  // namespace posthorn::store
