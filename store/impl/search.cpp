#include "store/impl/search.hpp"

#include <algorithm>

namespace posthorn::store {

using Where = TextKey::Where;

namespace {

// A step of a search takes no more than this:
constexpr std::size_t kUnread = 64;                               // messages to be read,
constexpr std::uint64_t kUnreadOctets = std::uint64_t{4} << 20U;  // and octets of them,
constexpr std::uint64_t kTextOctets = std::uint64_t{4} << 20U;    // of known texts

// Why was logged.
std::unexpected<base::Error> cannot_be_opened() {
    return base::fail(base::ErrorKind::temporary, "the full-text index cannot be opened");
}

// Opens what it has not opened just before.
class Opener {
public:
    explicit Opener(OpenAccount& open) : open_(open) {}
    bool full() const { return unread.size() >= kUnread || octets_ >= kUnreadOctets; }
    // One that is not there is left out: it matches nothing.
    void add(const Wanted& one, bool keep) {
        const auto found = open_.index().locate(one.email);
        if (!found) return;
        if (!last_ || found->place.pack == 0 || found->place.pack != pack_) {
            auto opened = open_.bodies().open(one.email, found->place);
            last_ = opened ? *std::move(opened) : nullptr;
            pack_ = found->place.pack;
        }
        if (!last_) return;
        unread.push_back({one, last_, found->place, keep});
        octets_ += one.size;
    }
    std::vector<Unread> unread;

private:
    OpenAccount& open_;
    std::shared_ptr<base::File> last_;
    std::uint64_t pack_ = 0;
    std::uint64_t octets_ = 0;
};

// One message of the full-text index held against the keys.
class Judge {
public:
    Judge(SearchIndex& index, const Needles& needles) : index_(index), needles_(needles), sieve_(index, needles) {}

    // False: what is kept of it does not tell.
    bool judge(const Wanted& one, const SearchIndex::Known& known, TextAnswer& answer) {
        text_.reset();
        bool sure = true;
        for (std::size_t key = 0; key < needles_.keys().size(); ++key) {
            if (holds_of(known, key))
                answer.found[key].add(one.id);
            else
                sure = sure && known.whole;
        }
        return sure;
    }
    std::uint64_t octets() const { return octets_; }

private:
    bool holds_of(const SearchIndex::Known& known, std::size_t at) {
        const auto& key = needles_.keys()[at];
        if (key.where == Where::field && known.envelope_whole && SearchIndex::is_envelope(key.field))
            return header_matches(key, known.envelope);
        if (key.where != Where::field && key.parts.empty()) return true;
        if (!sieve_.may_hold(known, at)) return false;
        if (!text_) {
            text_ = index_.text(known.email);
            octets_ += text_->size();
        }
        const auto head = std::string_view(*text_).substr(0, known.head);
        if (key.where == Where::field) return header_matches(key, head);
        const auto where = std::string_view(*text_).substr(key.where == Where::body ? head.size() : 0);
        return std::ranges::all_of(key.parts, [&](const auto& part) { return holds(where, part); });
    }

    SearchIndex& index_;
    const Needles& needles_;
    SearchIndex::Sieve sieve_;
    std::optional<std::string> text_;
    std::uint64_t octets_ = 0;
};

Looked look_in(OpenAccount& open, SearchIndex* search, const std::vector<Wanted>& wanted, const Needles& needles) {
    Looked out;
    out.answer.found.resize(needles.keys().size());
    Opener opener(open);
    std::optional<SearchIndex::Cursor> cursor;
    std::optional<Judge> judge;
    if (search != nullptr) {
        cursor.emplace(*search);
        judge.emplace(*search, needles);
    }
    for (const auto& one : wanted) {
        if (opener.full() || (judge && judge->octets() >= kTextOctets)) {
            out.answer.rest.add(one.id);
            continue;
        }
        const auto* known = cursor ? cursor->find(one.email) : nullptr;
        if (known == nullptr || known->size != one.size)
            opener.add(one, search != nullptr && known == nullptr);
        else if (!judge->judge(one, *known, out.answer))
            opener.add(one, false);
    }
    out.unread = std::move(opener.unread);
    return out;
}

// What the full-text index keeps of a message, as its text goes by.
class Keeping final : public mail::SearchTextSink {
public:
    Keeping(Doc& doc, std::uint64_t limit, TextMatcher& matcher) : doc_(doc), left_(limit), matcher_(matcher) {
        doc_.body = "\n";
    }
    void field(std::string_view name, std::string_view value) override {
        matcher_.field(name, value);
        for (const auto piece : {std::string_view("\n"), name, std::string_view(": "), value})
            put(doc_.head, piece);
    }
    void text(std::string_view piece) override {
        matcher_.text(piece);
        put(doc_.body, piece);
    }

private:
    void put(std::string& into, std::string_view piece) {
        const auto size = std::min<std::uint64_t>(left_, piece.size());
        into += piece.substr(0, size);
        left_ -= size;
        doc_.whole = doc_.whole && size == piece.size();
    }
    Doc& doc_;
    std::uint64_t left_;
    TextMatcher& matcher_;
};

// False: it cannot be read to its end. `enough`: when this says so it need not.
bool read_text(const Unread& one, mail::SearchTextSink& sink, const std::function<bool()>& enough) {
    mail::SearchText text(sink);
    std::string piece;
    for (std::uint64_t at = 0; at < one.place.size;) {
        piece.resize(std::min<std::uint64_t>(kPiece, one.place.size - at));
        const auto got = one.file->read(one.place.offset + at, piece);
        if (!got || *got == 0) return false;
        text.feed(std::string_view(piece).substr(0, *got));
        at += *got;
        if (enough()) return true;
    }
    text.finish();
    return true;
}

}  // namespace

base::Result<Looked> look_up(OpenAccount& open, const std::vector<Wanted>& wanted, const Needles& needles) {
    if (auto* search = open.search(true)) {
        auto looked = look_in(open, search, wanted, needles);
        if (auto good = search->db().take_error(); good)
            return looked;
        else
            open.search_failed(good.error());
    }
    return look_in(open, nullptr, wanted, needles);
}

std::vector<Doc> read_unread(const std::vector<Unread>& unread, const Needles& needles, std::uint64_t limit,
                             TextAnswer& answer) {
    std::vector<Doc> docs;
    for (const auto& one : unread) {
        TextMatcher matcher(needles);
        Doc doc{.email = one.wanted.email, .size = one.wanted.size, .head = {}, .body = {}};
        Keeping keeping(doc, limit, matcher);
        mail::SearchTextSink* sink = &matcher;
        if (one.keep) sink = &keeping;
        if (!read_text(one, *sink, [&] { return matcher.done() && (!one.keep || !doc.whole); })) continue;
        for (std::size_t key = 0; key < answer.found.size(); ++key) {
            if (matcher.matches(key)) answer.found[key].add(one.wanted.id);
        }
        if (one.keep) docs.push_back(std::move(doc));
    }
    return docs;
}

void keep_texts(OpenAccount& open, const std::vector<Doc>& docs) {
    auto* search = docs.empty() ? nullptr : open.search(false);
    if (search == nullptr) return;
    if (auto done = search->add(docs); !done) open.search_failed(done.error());
}

void forget_texts(OpenAccount& open, const std::vector<Located>& emails) {
    auto* search = emails.empty() ? nullptr : open.search(false);
    if (search == nullptr) return;
    std::vector<EmailId> ids;
    for (const auto& email : emails) ids.push_back(email.id);
    if (auto done = search->remove(ids); !done) open.search_failed(done.error());
}

base::Result<Behind> look_behind(OpenAccount& open, bool make, std::size_t limit) {
    auto* search = open.search(make);
    if (search == nullptr && make) return cannot_be_opened();
    Behind out;
    if (search == nullptr) return out;
    Opener opener(open);
    SearchIndex::Cursor cursor(*search);
    for (const auto& one : open.index().living(IdSet::of(search->upto() + 1, UINT64_MAX), limit)) {
        if (opener.full()) break;
        out.upto = one.email;
        if (cursor.find(one.email) == nullptr) opener.add(one, true);
    }
    out.unread = std::move(opener.unread);
    if (auto good = search->db().take_error(); !good) {
        open.search_failed(good.error());
        return std::unexpected(good.error());
    }
    return out;
}

base::Result<void> caught_up(OpenAccount& open, const std::vector<Doc>& docs, EmailId upto) {
    auto* search = open.search(false);
    if (search == nullptr) return cannot_be_opened();
    auto done = search->add(docs);
    if (done) done = search->set_upto(upto);
    if (!done) open.search_failed(done.error());
    return done;
}

}  // namespace posthorn::store
