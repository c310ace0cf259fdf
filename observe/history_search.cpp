#include "observe/history_search.hpp"

#include <algorithm>

#include "base/ascii.hpp"
#include "net/address.hpp"
#include "observe/history.hpp"

namespace posthorn::observe {
namespace {

constexpr std::size_t kRead = std::size_t{256} << 10;
constexpr std::size_t kStep = std::size_t{1} << 20;  // octets read in one step,
constexpr std::size_t kEvents = 500;                 // or events found
constexpr std::size_t kSessionId = 10;
// What happened in a session before a message came: no session lasts longer.
constexpr std::int64_t kSessionMs = std::int64_t{24} * 3600 * 1000;

bool is_session(std::string_view text) {
    return text.size() == kSessionId && std::ranges::all_of(text, [](char c) { return base::hex_digit(c) >= 0; });
}

}  // namespace

std::unique_ptr<HistorySearch> HistorySearch::make(base::Disk& disk, std::string directory,
                                                   const HistoryQuery& query) {
    std::unique_ptr<HistorySearch> search(new HistorySearch(disk, std::move(directory), query));
    const auto what = bare(query.what);
    const auto ip = net::IpAddress::parse(what);
    if (const auto id = base::Ulid::parse(what))
        search->id_ = id;
    else if (ip)
        search->client_ip_ = ip->unmapped().to_string();
    else if (what.find('@') != std::string_view::npos)
        search->text_ = what;
    else if (is_session(what))
        search->session_ = base::lower(what);
    else
        return nullptr;
    return search;
}

std::unique_ptr<HistorySearch> HistorySearch::all(base::Disk& disk, std::string directory, base::WallTime since) {
    HistoryQuery query;
    query.since = since;
    std::unique_ptr<HistorySearch> search(new HistorySearch(disk, std::move(directory), query));
    search->all_ = true;
    return search;
}

HistorySearch::HistorySearch(base::Disk& disk, std::string directory, const HistoryQuery& query)
    : scan_{.disk = disk, .directory = std::move(directory)}, query_(query) {}

base::Result<bool> HistorySearch::step(std::vector<mail::Event>& out) {
    if (phase_ == Phase::start) {
        since_ms_ = base::to_ms(query_.since);
        if (id_) since_ms_ = std::max(since_ms_, base::to_ms(id_->time()) - kSessionMs);
        if (auto begun = scan_.begin(since_ms_); !begun) return std::unexpected(begun.error());
        phase_ = all_ ? Phase::tell : Phase::find;
    }
    std::size_t budget = kStep;
    std::string_view payload;
    const auto before = out.size();
    while (budget > 0 && out.size() - before < kEvents) {
        if (!scan_.next(payload, budget)) {
            if (budget == 0) break;
            if (phase_ != Phase::find) {
                phase_ = Phase::end;
                return false;
            }
            found_all();
            if (auto begun = scan_.begin(first_ms_); !begun) return std::unexpected(begun.error());
            phase_ = Phase::tell;
            continue;
        }
        const auto keys = read_event_keys(payload);
        if (!keys || keys->at_ms < since_ms_) continue;
        if (phase_ == Phase::find) {
            if (matches(*keys)) note(*keys);
        } else if (told(*keys)) {
            if (auto event = decode_event(payload)) out.push_back(*std::move(event));
        }
    }
    return true;
}

bool HistorySearch::matches(const EventKeys& keys) const {
    if (id_) return keys.message_id == id_ || (keys.dsn && base::Ulid::parse(keys.detail.substr(0, 26)) == id_);
    if (!client_ip_.empty()) return keys.client_ip == client_ip_;
    if (!session_.empty()) return keys.session == session_;
    return base::iequals(bare(keys.sender), text_) || base::iequals(bare(keys.recipient), text_) ||
           bare(keys.header_message_id) == text_ || any_recipient(keys.recipients, text_);
}

void HistorySearch::note(const EventKeys& keys) {
    if (first_ms_ == 0) first_ms_ = std::max<std::int64_t>(keys.at_ms - kSessionMs, 1);
    const auto same = [&](const Story& story) {
        if (keys.message_id) return story.message == keys.message_id;
        return story.session == keys.session;
    };
    // From the back: what comes next to each other belongs together.
    const auto story = std::find_if(found_.rbegin(), found_.rend(), same);
    if (story != found_.rend()) {
        if (story->session.empty()) story->session = keys.session;
        return;
    }
    if (!keys.message_id && keys.session.empty()) return;
    ++stories_;
    found_.push_back({keys.message_id, std::string(keys.session)});
    if (found_.size() > query_.limit) {
        found_.pop_front();
        ++untold_;
    }
}

void HistorySearch::found_all() {
    for (const auto& story : found_) {
        if (story.message) messages_.insert(*story.message);
        if (!story.session.empty()) sessions_.insert(story.session);
    }
    if (found_.empty()) scan_.files.clear();
}

bool HistorySearch::told(const EventKeys& keys) const {
    if (all_) return true;
    if (keys.message_id) return messages_.contains(*keys.message_id);
    return !keys.session.empty() && sessions_.contains(std::string(keys.session));
}

// ---- the files, one after the other

base::Result<void> HistorySearch::Scan::begin(std::int64_t since_ms) {
    file.reset();
    files.clear();
    const auto names = disk.list(directory);
    if (!names) {
        if (names.error().code == ENOENT) return {};
        return std::unexpected(names.error());
    }
    for (const auto& name : *names) {
        if (!is_history_file(name)) continue;
        const auto status = disk.status(directory + "/" + name);
        if (status && status->regular && status->modified_ms >= since_ms) files.push_back(name);
    }
    std::ranges::reverse(files);
    return {};
}

// The next record. False: no more files, or `budget` is 0.
bool HistorySearch::Scan::next(std::string_view& payload, std::size_t& budget) {
    using State = EventRecord::State;
    while (budget > 0) {
        if (!file && !open()) return false;
        const auto rest = std::string_view(buffer).substr(used);
        const auto record = next_event_record(rest);
        auto size = record.size;
        if (record.state == State::partial) {
            if (!end_of_file) {
                budget -= std::min(budget, kRead);
                if (!fill()) file.reset();
                continue;
            }
            if (rest.empty()) {
                file.reset();
                continue;
            }
            // A torn tail, or a length that lies: what comes behind it may still be good.
            const auto behind = next_event_record(rest.substr(1));
            size = 1 + (behind.state == State::bad ? behind.size : 0);
        }
        used += size;
        if (record.state == State::good) {
            payload = record.payload;
            return true;
        }
        ++damaged;
    }
    return false;
}

bool HistorySearch::Scan::fill() {
    buffer.erase(0, used);
    used = 0;
    const auto kept = buffer.size();
    buffer.resize(kept + kRead);
    const auto got = file->read(offset, std::span(buffer.data() + kept, kRead));
    buffer.resize(kept + got.value_or(0));
    if (!got) {
        ++damaged;
        return false;
    }
    offset += *got;
    end_of_file = *got < kRead;
    return true;
}

// A file that went away since it was listed was too old.
bool HistorySearch::Scan::open() {
    while (!files.empty()) {
        const auto name = std::move(files.back());
        files.pop_back();
        auto opened = disk.open(directory + "/" + name, base::OpenMode::read);
        if (!opened) continue;
        file = *std::move(opened);
        offset = 0;
        used = 0;
        buffer.clear();
        end_of_file = false;
        if (fill() && std::string_view(buffer).starts_with(kHistoryHead)) {
            used = kHistoryHead.size();
            return true;
        }
        file.reset();
        if (!buffer.empty()) ++damaged;
    }
    return false;
}

}  // namespace posthorn::observe
