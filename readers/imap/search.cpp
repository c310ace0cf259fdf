// SEARCH (RFC 9051 §6.4.4): batch by batch, the disk only where flags and summaries do not decide, other sessions of the
// loop in between.
#include <algorithm>

#include "mail/mime/charset.hpp"
#include "mail/mime/content.hpp"
#include "mail/mime/encoded_word.hpp"
#include "mail/mime/transfer.hpp"
#include "proto/imap/text.hpp"
#include "readers/imap/matcher.hpp"
#include "readers/imap/session.hpp"

namespace posthorn::imap {
namespace {

constexpr std::size_t kBatch = 200;
constexpr std::size_t kNumbers = 5000;  // told at once
constexpr std::size_t kPiece = 64 * 1024;

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

// Finds texts in decoded text that comes in pieces: what is left of a piece stands before the next one.
class TextHunt {
public:
    TextHunt(const std::vector<std::string>& needles, std::vector<bool>& found) : needles_(needles), found_(found) {
        for (const auto& needle : needles) keep_ = std::max(keep_, needle.size());
    }
    void feed(std::string_view utf8) {
        window_ += fold_case(utf8);
        for (std::size_t i = 0; i < needles_.size(); ++i) {
            if (!found_[i] && window_.find(needles_[i]) != std::string::npos) found_[i] = true;
        }
        if (window_.size() > keep_) window_.erase(0, window_.size() - keep_);
    }
    void next_part() { window_.clear(); }

private:
    const std::vector<std::string>& needles_;
    std::vector<bool>& found_;
    std::string window_;
    std::size_t keep_ = 0;
};

// Of the octets so far those that end in a whole line, or all of them when there are too many without one.
std::string take_lines(std::string& decoded, bool last) {
    const auto end = last || decoded.size() > 4 * kPiece ? decoded.size() : decoded.rfind('\n') + 1;
    auto out = decoded.substr(0, end);
    decoded.erase(0, end);
    return out;
}

}  // namespace

struct Session::Hunt {
    const SearchKey& key;
    std::vector<const SearchKey*> texts;
    bool summaries = false;
    NumberSet found;  // UIDs
    store::ModSeq modseq = 0;
};

// For SEARCH, SORT and THREAD.
net::Task<std::expected<Session::Found, Reply>> Session::find(SearchKey key, std::string charset) {
    if (!charset.empty() && charset != "UTF-8" && charset != "US-ASCII") {
        if (!mail::known_charset(charset))
            co_return std::unexpected(Reply::no("There is no such charset", "BADCHARSET (UTF-8)"));
        to_utf8(key, charset);
    }
    if (names_strangers(key, selected_->view))
        co_return std::unexpected(Reply::bad("There is no message of that number"));
    const bool modseq = wants_modseq(key);
    if (modseq) machine_.enable_condstore();
    Hunt hunt{.key = key};
    collect_texts(key, hunt.texts);
    const auto uids = selected_->view.all();
    std::uint32_t at = 0;
    for (auto batch = next_batch(uids, at, kBatch); !batch.empty(); batch = next_batch(uids, at, kBatch)) {
        if (!co_await hunt_batch(hunt, std::move(batch)))
            co_return std::unexpected(Reply::no("Cannot search now", "UNAVAILABLE"));
        if (lost_ || hurry_) break;
        co_await net::yield(loop());
    }
    co_return Found{std::move(hunt.found), modseq ? hunt.modseq : 0};
}

net::Task<Reply> Session::search() {
    const auto command = std::get<Search>(machine_.command().what);
    const auto found = co_await find(command.key, command.charset);
    if (!found) co_return found.error();
    auto& box = *selected_;
    if (command.results.save) box.saved = found->uids;
    if (command.results.saves_only()) co_return Reply::ok("Searched");
    const auto shown = uid_command() ? found->uids : box.view.numbers_of(found->uids);
    if (command.results.given || machine_.enabled().rev2) {
        auto results = command.results;
        if (!results.given) results.all = true;
        put_esearch(out(), machine_.command().tag, uid_command(), results, shown, found->modseq);
        co_return Reply::ok("Searched");
    }
    out() += "* SEARCH";
    std::uint32_t at = 0;
    for (auto batch = next_batch(shown, at, kNumbers); !batch.empty(); batch = next_batch(shown, at, kNumbers)) {
        batch.for_each([this](std::uint32_t number) {
            out() += ' ';
            put_number(out(), number);
        });
        if (!co_await flush()) co_return Reply::ok("Searched");
    }
    if (found->modseq != 0 && !shown.empty()) out() += " (MODSEQ " + std::to_string(found->modseq) + ')';
    out() += "\r\n";
    co_return Reply::ok("Searched");
}

net::Task<bool> Session::hunt_batch(Hunt& hunt, NumberSet uids) {
    const auto& box = *selected_;
    auto messages = co_await mail().messages(loop(), account_, box.scope(), to_store(uids), hunt.summaries);
    if (!messages) {
        failed("search", messages.error());
        co_return false;
    }
    Known known{.view = &box.view,
                .keywords = &box.keywords,
                .saved = &box.saved,
                .now = base::to_ms(loop().clock().wall())};
    NumberSet undecided;
    for (const auto& message : *messages) {
        known.message = &message;
        known.number = box.view.number_of(message.entry.uid);
        known.summary = nullptr;
        known.header = nullptr;
        known.texts = nullptr;
        std::size_t texts = 0;
        auto answer = match(hunt.key, known, texts);
        if (answer == Answer::unknown && !hunt.summaries) {
            undecided.add(message.entry.uid);
            continue;
        }
        std::optional<mail::Summary> summary;
        if (answer == Answer::unknown) {
            auto made = co_await summary_of(message);
            if (!made) continue;  // gone, or damaged: it matches nothing
            summary = std::move(*made);
            known.summary = &*summary;
            answer = match(hunt.key, known, texts = 0);
        }
        std::string header;
        if (answer == Answer::unknown) {
            auto body = co_await mail().open(loop(), account_, message.entry.email);
            if (!body) continue;
            const auto end = std::min<std::uint64_t>(summary->parts.front().body, kMaxHeader);
            while (header.size() < end) {
                auto piece = co_await (*body)->read(loop(), header.size(), end - header.size());
                if (!piece || piece->empty()) break;
                header += *piece;
            }
            known.header = &header;
            answer = match(hunt.key, known, texts = 0);
        }
        std::vector<bool> found;
        if (answer == Answer::unknown) {
            for (const auto* key : hunt.texts) found.push_back(co_await matches_text(*key, message, *summary));
            known.texts = &found;
            answer = match(hunt.key, known, texts = 0);
        }
        if (answer != Answer::yes) continue;
        hunt.found.add(message.entry.uid);
        hunt.modseq = std::max(hunt.modseq, message.entry.modseq);
    }
    if (undecided.empty()) co_return true;
    // Flags and dates do not decide these: once more, with their summaries.
    hunt.summaries = true;
    const bool done = co_await hunt_batch(hunt, std::move(undecided));
    hunt.summaries = false;
    co_return done;
}

// TEXT is the header, too. Of the body all text parts count, decoded; nested messages' headers are in TEXT and BODY.
net::Task<bool> Session::matches_text(const SearchKey& key, const store::Message& message,
                                      const mail::Summary& summary) {
    const std::vector<std::string> needles{fold_case(key.text)};
    if (needles[0].empty()) co_return true;
    std::vector<bool> found(1);
    TextHunt hunt(needles, found);
    const auto body = co_await mail().open(loop(), account_, message.entry.email);
    if (!body) co_return false;
    for (std::size_t i = 0; i < summary.parts.size() && !found[0]; ++i) {
        const auto& part = summary.parts[i];
        const bool inner_header = i == 0 ? key.kind == SearchKey::Kind::text : true;
        if (inner_header) {
            const auto end = std::min(part.body, part.header + kMaxHeader);
            std::string header;
            while (part.header + header.size() < end) {
                const auto piece =
                    co_await (*body)->read(loop(), part.header + header.size(),
                                           std::min<std::uint64_t>(kPiece, end - part.header - header.size()));
                if (!piece || piece->empty()) break;
                header += *piece;
            }
            hunt.next_part();
            // Folded lines are one; encoded words may stand in any field.
            std::erase(header, '\r');
            for (std::size_t at = header.find("\n "); at != std::string::npos; at = header.find("\n ", at))
                header.erase(at, 1);
            for (std::size_t at = header.find("\n\t"); at != std::string::npos; at = header.find("\n\t", at))
                header.erase(at, 1);
            for (std::size_t at = 0; at < header.size() && !found[0];) {
                const auto end_of_line = std::min(header.find('\n', at), header.size());
                hunt.feed(mail::decode_words(std::string_view(header).substr(at, end_of_line - at)));
                hunt.next_part();
                at = end_of_line + 1;
            }
        }
        if (part.type != "text" || found[0]) continue;
        hunt.next_part();
        const auto charset = mail::parameter(part.parameters, "charset").value_or("us-ascii");
        mail::TransferDecoder decoder(mail::transfer_encoding(part.encoding));
        std::string decoded;
        for (auto at = part.body; at < part.end && !found[0];) {
            const auto piece = co_await (*body)->read(loop(), at, std::min<std::uint64_t>(kPiece, part.end - at));
            if (!piece || piece->empty()) break;
            at += piece->size();
            decoder.decode(*piece, decoded);
            if (at >= part.end) decoder.finish(decoded);
            hunt.feed(mail::to_utf8(charset, take_lines(decoded, at >= part.end)));
            if (lost_ || hurry_) co_return false;
            if (at < part.end) co_await net::yield(loop());
        }
    }
    co_return found[0];
}

}  // namespace posthorn::imap
