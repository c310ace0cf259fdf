#include "spool/impl/supply.hpp"

#include "base/log.hpp"

namespace posthorn::spool {
namespace {
constexpr auto kRetry = std::chrono::seconds(1);  // after a segment could not be made
}

AheadSupply::AheadSupply(SegmentStore& store) : store_(store), thread_([this] { run(); }) {}

AheadSupply::~AheadSupply() { stop(); }

void AheadSupply::stop() {
    {
        const std::lock_guard lock(mutex_);
        if (stopping_) return;
        stopping_ = true;
    }
    work_.notify_all();
    ready_.notify_all();
    thread_.join();
    // An empty segment would be scanned at the next start; a spare one is not.
    if (ahead_ != nullptr) (void)store_.free(ahead_);
    ahead_.reset();
}

base::Result<std::shared_ptr<const Segment>> AheadSupply::take(std::uint64_t at_least) {
    std::unique_lock lock(mutex_);
    // While the disk is full each commit would try again, and wait for it: the thread tries every second.
    if (error_ && ahead_ == nullptr) return std::unexpected(*error_);
    special_ = at_least;
    work_.notify_one();
    ready_.wait(lock, [this] { return stopping_ || error_ || (ahead_ != nullptr && special_ == 0); });
    if (ahead_ == nullptr || special_ != 0) {
        special_ = 0;
        if (error_) return std::unexpected(*error_);
        return base::fail(base::ErrorKind::temporary, "the spool is stopping", "4.3.0", "Temporary local problem");
    }
    work_.notify_one();
    return std::move(ahead_);
}

void AheadSupply::seal(std::unique_ptr<SegmentWriter> writer, std::function<void()> done) {
    {
        const std::lock_guard lock(mutex_);
        full_.emplace_back(std::move(writer), std::move(done));
    }
    work_.notify_one();
}

bool AheadSupply::low() const {
    const std::lock_guard lock(mutex_);
    return error_.has_value() && ahead_ == nullptr;
}

base::Result<void> AheadSupply::trouble() const {
    const std::lock_guard lock(mutex_);
    if (error_ && ahead_ == nullptr) return std::unexpected(*error_);
    return {};
}

std::uint64_t AheadSupply::ahead_bytes() const {
    const std::lock_guard lock(mutex_);
    return ahead_ == nullptr ? 0 : ahead_->header.size;
}

void AheadSupply::run() {
    std::unique_lock lock(mutex_);
    for (;;) {
        if (!stopping_ && (ahead_ == nullptr || special_ != 0)) {
            make(lock);
            ready_.notify_all();
        }
        if (!full_.empty()) {
            auto [writer, done] = std::move(full_.front());
            full_.pop_front();
            lock.unlock();
            if (auto sealed = spool::seal(*writer))
                done();
            else
                base::log::warning("spool.seal_failed", {{"error", sealed.error().log_text}});
            writer.reset();
            lock.lock();
            continue;
        }
        if (stopping_) return;
        const auto busy = [this] { return stopping_ || !full_.empty(); };
        if (error_)
            work_.wait_for(lock, kRetry, busy);
        else
            work_.wait(lock, [&] { return busy() || ahead_ == nullptr || special_ != 0; });
    }
}

void AheadSupply::make(std::unique_lock<std::mutex>& lock) {
    const auto wanted = special_;
    auto unused = std::move(ahead_);
    lock.unlock();
    // Numbers grow in the order of use: the one made ahead makes room for the special one.
    if (unused != nullptr) (void)store_.free(unused);
    unused.reset();
    auto made = store_.make(wanted);
    lock.lock();
    if (!made) {
        if (!error_) base::log::error("spool.no_segment", {{"error", made.error().log_text}});
        error_ = made.error();
        return;
    }
    if (error_) base::log::notice("spool.segment_made", {{"msg", "the log can grow again"}});
    error_.reset();
    ahead_ = std::move(*made);
    if (special_ == wanted) special_ = 0;
}

}  // namespace posthorn::spool
