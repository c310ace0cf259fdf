// What a search program finds, for SEARCH, SORT and THREAD: batch by batch, asking for no more than decides: first what the
// session knows itself, then flags and dates, then the store about texts, then summaries. Other sessions of the loop
// run in between; it ends with the session.
#include <algorithm>

#include "mail/mime/charset.hpp"
#include "readers/imap/matcher.hpp"
#include "readers/imap/session.hpp"

namespace posthorn::imap {
namespace {

constexpr std::size_t kNumbers = 4000;   // of messages looked at at once,
constexpr std::size_t kEntries = 1000;   // where flags or dates are asked for,
constexpr std::size_t kSummaries = 200;  // and where summaries are

bool wants_modseq(const SearchKey& key) {
    return key.kind == SearchKey::Kind::modseq || std::ranges::any_of(key.children, wants_modseq);
}

void to_utf8(SearchKey& key, std::string_view charset) {
    key.text = mail::to_utf8(charset, key.text);
    for (auto& child : key.children) to_utf8(child, charset);
}

// Message numbers that a program names must be there.
bool names_strangers(const SearchKey& key, const MailboxView& view) {
    if (key.kind == SearchKey::Kind::sequence && !key.set.saved) {
        const auto numbers = key.set.resolve(view.size());
        if ((key.set.has_star() && view.size() == 0) || (!numbers.empty() && numbers.last() > view.size()))
            return true;
    }
    return std::ranges::any_of(key.children, [&](const auto& child) { return names_strangers(child, view); });
}

// The keys that the store answers, in the order in which match() counts them.
void collect_texts(const SearchKey& key, store::TextQuery& query) {
    using Where = store::TextKey::Where;
    if (is_text(key)) {
        const auto where = key.kind == SearchKey::Kind::text   ? Where::text
                           : key.kind == SearchKey::Kind::body ? Where::body
                                                               : Where::field;
        query.push_back({.where = where, .field = key.field, .needle = key.text, .words = key.fuzzy});
    }
    for (const auto& child : key.children) collect_texts(child, query);
}

}  // namespace

struct Session::Hunt {
    const SearchKey& key;
    store::TextQuery texts{};
    bool entries = false;        // more than numbers and texts is asked for
    Known known{};               // what holds for all messages
    store::TextAnswer answer{};  // about the batch at hand
    bool answered = false;
    Found found{};
};

net::Task<std::expected<Session::Found, Reply>> Session::find(SearchKey key, std::string charset) {
    if (!charset.empty() && charset != "UTF-8" && charset != "US-ASCII") {
        if (!mail::known_charset(charset))
            co_return std::unexpected(Reply::no("There is no such charset", "BADCHARSET (UTF-8)"));
        to_utf8(key, charset);
    }
    auto& box = *selected_;
    if (names_strangers(key, box.view)) co_return std::unexpected(Reply::bad("There is no message of that number"));
    const bool modseq = wants_modseq(key);
    if (modseq) machine_.enable_condstore();
    Hunt hunt{.key = key, .entries = wants_entry(key)};
    collect_texts(key, hunt.texts);
    hunt.known = {.view = &box.view,
                  .keywords = &box.keywords,
                  .saved = &box.saved,
                  .now = base::to_ms(loop().clock().wall())};
    const auto uids = box.view.all();
    const auto size = hunt.entries ? kEntries : kNumbers;
    std::uint32_t at = 0;
    for (auto batch = next_batch(uids, at, size); !batch.empty(); batch = next_batch(uids, at, size)) {
        if (!co_await hunt_batch(hunt, std::move(batch)))
            co_return std::unexpected(Reply::no("Cannot search now", "UNAVAILABLE"));
        if (cut_short()) break;
        co_await net::yield(loop());
    }
    if (!modseq) hunt.found.modseq = 0;
    co_return std::move(hunt.found);
}

// False: the store failed.
net::Task<bool> Session::hunt_batch(Hunt& hunt, NumberSet uids) {
    hunt.answered = false;
    std::vector<store::Message> entries;
    if (hunt.entries) {
        auto messages = co_await mail().messages(loop(), account_, selected_->scope(), to_store(uids), false);
        if (!messages) {
            failed("search", messages.error());
            co_return false;
        }
        entries = *std::move(messages);
    }
    auto open = judge(hunt, uids, entries);
    if (open.empty()) co_return true;
    if (!hunt.texts.empty()) {
        if (!co_await ask_texts(hunt, open)) co_return false;
        open = judge(hunt, open, entries);
    }
    std::uint32_t at = 0;
    for (auto some = next_batch(open, at, kSummaries); !some.empty(); some = next_batch(open, at, kSummaries)) {
        if (!co_await judge_summaries(hunt, std::move(some))) co_return false;
        if (cut_short()) break;
        co_await net::yield(loop());
    }
    co_return true;
}

// Those that are decided go where they belong; answers the others. `entries`: of these messages and perhaps more, by UID,
// where they are asked for at all; who is not among them is gone.
NumberSet Session::judge(Hunt& hunt, const NumberSet& uids, const std::vector<store::Message>& entries) {
    NumberSet open;
    std::vector<bool> texts(hunt.texts.size());
    auto entry = entries.begin();
    uids.for_each([&](std::uint32_t uid) {
        auto known = hunt.known;
        while (entry != entries.end() && entry->entry.uid < uid) ++entry;
        if (entry != entries.end() && entry->entry.uid == uid) known.message = &*entry;
        if (hunt.entries && known.message == nullptr) return;
        known.uid = uid;
        known.number = known.view->number_of(uid);
        if (hunt.answered) {
            for (std::size_t i = 0; i < texts.size(); ++i) texts[i] = hunt.answer.found[i].contains(uid);
            known.texts = &texts;
        }
        std::size_t counted = 0;
        const auto answer = match(hunt.key, known, counted);
        if (answer == Answer::unknown) open.add(uid);
        if (answer != Answer::yes) return;
        hunt.found.uids.add(uid);
        if (known.message != nullptr) hunt.found.modseq = std::max(hunt.found.modseq, known.message->entry.modseq);
    });
    return open;
}

net::Task<bool> Session::ask_texts(Hunt& hunt, const NumberSet& uids) {
    hunt.answer = {.found = std::vector<store::IdSet>(hunt.texts.size()), .rest = to_store(uids)};
    hunt.answered = true;
    while (!hunt.answer.rest.empty()) {
        auto more = co_await mail().search(loop(), account_, selected_->scope(), hunt.answer.rest, hunt.texts);
        if (!more) {
            failed("search", more.error());
            co_return false;
        }
        for (std::size_t i = 0; i < hunt.texts.size(); ++i) hunt.answer.found[i].add(more->found[i]);
        hunt.answer.rest = std::move(more->rest);
        if (cut_short()) break;
    }
    co_return true;
}

net::Task<bool> Session::judge_summaries(Hunt& hunt, NumberSet uids) {
    const auto messages = co_await mail().messages(loop(), account_, selected_->scope(), to_store(uids), true);
    if (!messages) {
        failed("search", messages.error());
        co_return false;
    }
    for (const auto& message : *messages) {
        const auto summary = co_await summary_of(message);
        if (!summary) continue;  // gone, or damaged: it matches nothing
        hunt.known.summary = &*summary;
        NumberSet one;
        one.add(message.entry.uid);
        judge(hunt, one, {message});
        hunt.known.summary = nullptr;
    }
    co_return true;
}

}  // namespace posthorn::imap
