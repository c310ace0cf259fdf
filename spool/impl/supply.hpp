// Makes the next segment ahead of its use and seals full ones, on a thread of its own: neither is waited for by a
// commit unless the log grows faster than the disk can be prepared.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "spool/impl/log.hpp"
#include "spool/impl/segment_store.hpp"

namespace posthorn::spool {

class AheadSupply final : public SegmentSupply {
public:
    explicit AheadSupply(SegmentStore& store);
    ~AheadSupply() override;  // as stop()

    base::Result<std::shared_ptr<const Segment>> take(std::uint64_t at_least) override;
    void seal(std::unique_ptr<SegmentWriter> writer, std::function<void()> done) override;

    // True: the last try to make a segment failed and none is in hand. Mail is refused then, so that what is left of
    // the active segment serves STATE and DONE.
    bool low() const;
    base::Result<void> trouble() const;  // why low
    std::uint64_t ahead_bytes() const;

    // Finishes what was given to seal(), gives back the segment made ahead.
    void stop();

private:
    void run();
    void make(std::unique_lock<std::mutex>& lock);

    SegmentStore& store_;
    mutable std::mutex mutex_;
    std::condition_variable work_;   // for the thread
    std::condition_variable ready_;  // for take()
    std::shared_ptr<const Segment> ahead_;
    std::uint64_t special_ = 0;  // take() wants one this large
    std::optional<base::Error> error_;
    std::deque<std::pair<std::unique_ptr<SegmentWriter>, std::function<void()>>> full_;
    bool stopping_ = false;
    std::thread thread_;
};

}  // namespace posthorn::spool
