#include "observe/history.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/ascii.hpp"
#include "base/log.hpp"
#include "observe/history_record.hpp"

namespace posthorn::observe {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kSuffix = ".events";
constexpr std::size_t kDigits = 16;
constexpr std::uint64_t kLargestFile = std::uint64_t{16} << 20;
constexpr std::uint64_t kFiles = 16;  // so many make up max_size: one is removed at a time
constexpr int kAges = 8;              // so many make up max_age
constexpr auto kLinger = 10ms;        // events of a burst share a write
constexpr auto kLook = 10min;         // for files that have grown too old

}  // namespace

base::config::Table<HistoryConfig> history_config_table() {
    using namespace base::config;
    return Table<HistoryConfig>("What happened, for mailctl trace: kept in data_dir/history.")
        .key("max_age", &HistoryConfig::max_age, duration({1h, 24h * 3660}), "Older events are removed.")
        .key("max_size", &HistoryConfig::max_size,
             size<std::uint64_t>({std::uint64_t{1} << 20U, std::uint64_t{1} << 44U}),
             "Beyond it the oldest are removed.");
}

bool is_history_file(std::string_view name) {
    return name.size() == kDigits + kSuffix.size() && name.ends_with(kSuffix) &&
           std::ranges::all_of(name.substr(0, kDigits), base::is_digit);
}

History::History(HistoryConfig config, base::Disk& disk, const base::Clock& clock, base::Metrics& metrics)
    : config_(std::move(config)),
      file_size_(std::min(config_.max_size / kFiles, kLargestFile)),
      disk_(disk),
      clock_(clock),
      recorded_(metrics.counter("posthorn_history_events_total", "Events written to the history")),
      dropped_(metrics.counter("posthorn_history_dropped_total",
                               "Events the history lost: the disk was too slow, full or broken")),
      bytes_(metrics.gauge("posthorn_history_bytes", "Size of the history's files")),
      thread_([this] { run(); }) {}

History::~History() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    wake_.notify_all();
    thread_.join();
}

void History::record(const mail::Event& event) {
    const std::string bytes = encode_event_record(event);
    bool wake = false;
    {
        const std::lock_guard lock(mutex_);
        if (pending_.size() + bytes.size() > std::min<std::uint64_t>(kHistoryBuffer, config_.max_size / 2)) {
            dropped_.add();
            return;
        }
        pending_ += bytes;
        ++pending_events_;
        ++put_;
        wake = std::exchange(waiting_, false);
    }
    if (wake) wake_.notify_one();
}

void History::flush() {
    std::unique_lock lock(mutex_);
    const auto until = put_;
    urgent_ = true;
    wake_.notify_all();
    written_.wait(lock, [&] { return done_ >= until; });
}

void History::run() {
    std::unique_lock lock(mutex_);
    while (true) {
        waiting_ = true;
        wake_.wait_for(lock, kLook, [this] { return stopping_ || !pending_.empty(); });
        waiting_ = false;
        if (!pending_.empty()) wake_.wait_for(lock, kLinger, [this] { return stopping_ || urgent_; });
        urgent_ = false;
        const bool last = stopping_;
        std::string batch;
        batch.swap(pending_);
        const auto events = std::exchange(pending_events_, 0);
        const auto upto = put_;
        lock.unlock();
        write(batch, events);
        lock.lock();
        done_ = upto;
        written_.notify_all();
        if (last && pending_.empty()) return;
    }
}

void History::write(const std::string& batch, std::uint64_t events) {
    const auto done = append(batch);
    if (done) {
        recorded_.add(events);
        if (!batch.empty() && std::exchange(failing_, false))
            base::log::notice("history.works_again", {{"dropped", dropped()}});
        expire();
        return;
    }
    dropped_.add(events);
    // What was written of the batch is cut off as a torn tail, here or by the reader.
    if (file_ && !file_->truncate(size_)) file_.reset();
    if (taken_stock_) expire();  // a full disk needs it most
    if (!std::exchange(failing_, true)) {
        base::log::error("history.write_failed",
                         {{"error", done.error().log_text}, {"msg", "events are dropped until it works again"}});
    }
}

base::Result<void> History::append(const std::string& batch) {
    if (!taken_stock_) {
        if (auto known = take_stock(); !known) return known;
        taken_stock_ = true;
        if (auto opened = open_newest(); !opened) return opened;
    }
    if (batch.empty()) return {};
    const auto now = base::to_ms(clock_.wall());
    const auto oldest = begun_ms_ + std::chrono::floor<std::chrono::milliseconds>(config_.max_age / kAges).count();
    if (file_ && (size_ + batch.size() > file_size_ || now > oldest) && size_ > kHistoryHead.size()) file_.reset();
    if (!file_) {
        if (auto opened = open_fresh(); !opened) return opened;
    }
    if (auto written = file_->write(size_, batch); !written) return written;
    size_ += batch.size();
    files_[name_] = {size_, now};
    return {};
}

base::Result<void> History::take_stock() {
    if (auto made = disk_.make_directory(config_.directory, 0700); !made) return made;
    const auto names = disk_.list(config_.directory);
    if (!names) return std::unexpected(names.error());
    for (const auto& name : *names) {
        const auto status = disk_.status(path(name));
        if (is_history_file(name) && status && status->regular) files_[name] = {status->size, status->modified_ms};
    }
    return {};
}

// A daemon that is started again and again must not leave a file each time.
base::Result<void> History::open_newest() {
    if (files_.empty() || files_.rbegin()->second.size >= file_size_) return {};
    const auto& [name, known] = *files_.rbegin();
    auto file = disk_.open(path(name), base::OpenMode::read_write);
    if (!file) return {};
    std::string bytes(known.size, '\0');
    const auto got = (*file)->read(0, bytes);
    if (!got) return {};
    const auto whole = std::string_view(bytes).substr(0, *got);
    if (!whole.starts_with(kHistoryHead)) return {};
    std::uint64_t end = kHistoryHead.size();
    // Good records may follow damage: only what is behind the last good one goes.
    for (std::uint64_t at = end; at < whole.size();) {
        const auto record = next_event_record(whole.substr(at));
        if (record.state == EventRecord::State::good) end = at + record.size;
        at += std::max<std::uint64_t>(record.size, 1);
    }
    if (end < whole.size() && !(*file)->truncate(end)) return {};
    file_ = *std::move(file);
    name_ = name;
    size_ = end;
    begun_ms_ = static_cast<std::int64_t>(std::stoull(name.substr(0, kDigits)));
    return {};
}

base::Result<void> History::open_fresh() {
    std::int64_t ms = base::to_ms(clock_.wall());
    // Names grow, whatever the clock does.
    if (!files_.empty())
        ms = std::max(ms, static_cast<std::int64_t>(std::stoull(files_.rbegin()->first.substr(0, kDigits))) + 1);
    const auto name = fmt::format("{:016}{}", ms, kSuffix);
    auto file = disk_.open(path(name), base::OpenMode::create);
    if (!file) return std::unexpected(file.error());
    if (auto written = (*file)->write(0, kHistoryHead); !written) {
        static_cast<void>(disk_.unlink(path(name)));
        return written;
    }
    file_ = *std::move(file);
    name_ = name;
    size_ = kHistoryHead.size();
    begun_ms_ = base::to_ms(clock_.wall());
    files_[name_] = {size_, begun_ms_};
    return {};
}

void History::expire() {
    std::uint64_t total = 0;
    for (const auto& [name, known] : files_) total += known.size;
    const auto oldest = base::to_ms(clock_.wall() - std::chrono::floor<std::chrono::milliseconds>(config_.max_age));
    while (!files_.empty()) {
        const auto& [name, known] = *files_.begin();
        const bool writing = file_ && name == name_;
        if (total <= config_.max_size && known.modified_ms >= oldest) break;
        if (writing && known.modified_ms >= oldest) break;
        if (writing) file_.reset();
        if (auto gone = disk_.unlink(path(name)); !gone && gone.error().code != ENOENT) break;
        total -= known.size;
        files_.erase(files_.begin());
    }
    bytes_.set(static_cast<std::int64_t>(total));
}

}  // namespace posthorn::observe
