#include "proto/imap/sort.hpp"

#include <algorithm>

#include "mail/mime/casemap.hpp"
#include "mail/mime/encoded_word.hpp"

namespace posthorn::imap {
namespace {

using By = SortCriterion::By;

void put_number_key(std::string& key, std::uint64_t number) {
    for (int shift = 56; shift >= 0; shift -= 8) key += static_cast<char>(number >> static_cast<unsigned>(shift));
}

// Negative ones before the others.
void put_time_key(std::string& key, std::int64_t time) {
    put_number_key(key, static_cast<std::uint64_t>(time) ^ (std::uint64_t{1} << 63U));
}

// No text of a header holds NUL: its end comes before anything longer.
void put_text_key(std::string& key, std::string_view utf8) {
    key += sort_text(utf8);
    key += '\0';
}

// RFC 5256 §3: the addr-mailbox of the first address; of a group it is its name.
std::string mailbox_of(const std::vector<mail::ListedAddress>& list) {
    if (list.empty()) return {};
    const auto& first = list.front();
    return first.kind == mail::ListedAddress::Kind::mailbox ? first.local : first.name;
}

// RFC 5957 §2: the name that is shown, else the address.
std::string display_of(const std::vector<mail::ListedAddress>& list) {
    if (list.empty()) return {};
    const auto& first = list.front();
    if (!first.name.empty()) return mail::decode_words(first.name);
    return first.domain.empty() ? first.local : first.local + '@' + first.domain;
}

}  // namespace

std::string sort_text(std::string_view utf8) {
    constexpr std::size_t most = 256;
    auto text = mail::casemap(utf8, most);
    if (text.size() <= most) return text;
    auto end = most;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
    return text.substr(0, end);
}

bool needs_summary(const SortCriterion& criterion) {
    return criterion.by != By::arrival && criterion.by != By::size;
}

std::int64_t sent_date(const mail::Summary& summary, std::int64_t received) {
    return summary.envelope.sent.value_or(received);
}

std::string sort_key(std::span<const SortCriterion> criteria, const mail::Summary* summary, std::int64_t received,
                     std::uint64_t size) {
    std::string key;
    for (const auto& criterion : criteria) {
        const auto begin = key.size();
        switch (criterion.by) {
            case By::arrival: put_time_key(key, received); break;
            case By::size: put_number_key(key, size); break;
            case By::date: put_time_key(key, sent_date(*summary, received)); break;
            case By::subject: put_text_key(key, summary->thread.base_subject); break;
            case By::from: put_text_key(key, mailbox_of(summary->envelope.from)); break;
            case By::to: put_text_key(key, mailbox_of(summary->envelope.to)); break;
            case By::cc: put_text_key(key, mailbox_of(summary->envelope.cc)); break;
            case By::display_from: put_text_key(key, display_of(summary->envelope.from)); break;
            case By::display_to: put_text_key(key, display_of(summary->envelope.to)); break;
        }
        if (!criterion.reverse) continue;
        for (auto i = begin; i < key.size(); ++i) key[i] = static_cast<char>(~static_cast<unsigned char>(key[i]));
    }
    return key;
}

void Sorter::add(std::vector<Row> rows) {
    if (rows.empty()) return;
    std::ranges::sort(rows);
    size_ += rows.size();
    runs_.push_back({std::move(rows)});
}

bool Sorter::later(std::size_t a, std::size_t b) const {
    return runs_[a].rows[runs_[a].at] > runs_[b].rows[runs_[b].at];
}

std::vector<std::uint32_t> Sorter::take(std::size_t count) {
    const auto order = [this](std::size_t a, std::size_t b) { return later(a, b); };
    if (!std::exchange(taking_, true)) {
        for (std::size_t i = 0; i < runs_.size(); ++i) heap_.push_back(i);
        std::ranges::make_heap(heap_, order);
    }
    std::vector<std::uint32_t> out;
    while (!heap_.empty() && out.size() < count) {
        std::ranges::pop_heap(heap_, order);
        auto& run = runs_[heap_.back()];
        out.push_back(run.rows[run.at].second);
        if (++run.at < run.rows.size()) {
            std::ranges::push_heap(heap_, order);
        } else {
            run.rows = {};
            heap_.pop_back();
        }
    }
    return out;
}

}  // namespace posthorn::imap
