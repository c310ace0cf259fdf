#include "spool/impl/intake.hpp"

namespace posthorn::spool {

LogIntake::LogIntake(net::Loop& loop, IntakePorts ports, std::shared_ptr<Budget> budget, std::string name,
                     bool large)
    : loop_(loop),
      ports_(std::move(ports)),
      share_(std::make_shared<Share>(std::move(budget))),
      name_(std::move(name)) {
    if (large) spill();
}

LogIntake::~LogIntake() {
    if (file_ == nullptr) return;
    // Removing a large file takes its time.
    (void)ports_.pool.submit([file = std::move(file_)]() mutable { file.reset(); });
}

void LogIntake::spill() {
    file_ = std::make_shared<BigFile>(ports_.files, name_);
    writing_ = std::make_shared<Writing>(loop_);
    if (bytes_->empty()) bytes_->reserve(kPiece);
}

bool LogIntake::append(std::string_view bytes) {
    size_ += bytes.size();
    if (error_) return false;
    const bool budget = share_->more(bytes.size());
    bytes_->append(bytes);
    if (!budget) crowded_ = true;
    if (file_ == nullptr && (!budget || bytes_->size() > ports_.memory_body)) spill();
    return file_ != nullptr && (crowded_ || bytes_->size() >= kFlushAt);
}

bool LogIntake::out_of_room(std::uint64_t octets) {
    if (ports_.room->take(octets)) return false;
    error_ = base::Error{base::ErrorKind::temporary, "4.3.1", "Insufficient system storage",
                         "a body would leave less than the spool's reserve free"};
    return true;
}

std::shared_ptr<std::string> LogIntake::take_piece() {
    auto next = std::make_shared<std::string>();
    next->reserve(kPiece);
    return std::exchange(bytes_, std::move(next));
}

void LogIntake::start_writing() {
    const auto bytes = take_piece();
    writing_->running = true;
    auto job = [this_loop = &loop_, writing = writing_, file = file_, bytes, share = share_]() mutable {
        auto result = file->write(*bytes);
        file.reset();
        this_loop->post([writing = std::move(writing), share = std::move(share), size = bytes->size(),
                         result = std::move(result)]() mutable {
            share->less(size);
            writing->running = false;
            writing->result = std::move(result);
            writing->over.notify_all();
        });
    };
    if (ports_.pool.submit(std::move(job))) return;
    writing_->running = false;
    writing_->result = base::fail(base::ErrorKind::temporary, "pool " + ports_.pool.name() + " is full", "4.3.2",
                                  "System is busy, try again later");
}

net::Task<> LogIntake::settle() {
    while (writing_->running) co_await writing_->over.wait();
    if (!writing_->result && !error_) error_ = writing_->result.error();
}

// Does not wait for the piece it hands to the disk, only for the one before: the client's octets go on coming in.
net::Task<base::Result<void>> LogIntake::flush() {
    if (error_) co_return std::unexpected(*error_);
    if (file_ == nullptr || bytes_->empty()) co_return base::Result<void>{};
    co_await settle();
    if (error_ || out_of_room(bytes_->size())) co_return std::unexpected(*error_);
    const bool alone = std::exchange(crowded_, false) || bytes_->size() > kPiece;
    start_writing();
    if (alone) co_await settle();
    if (error_) co_return std::unexpected(*error_);
    co_return base::Result<void>{};
}

net::Task<base::Result<void>> LogIntake::finish(base::Ulid id) {
    if (error_) co_return std::unexpected(*error_);
    if (file_ == nullptr) co_return base::Result<void>{};
    co_await settle();
    if (error_ || out_of_room(bytes_->size())) co_return std::unexpected(*error_);
    auto bytes = std::exchange(bytes_, std::make_shared<std::string>());
    auto work = [file = file_, bytes, id] {
        auto written = file->write(*bytes);
        return written ? file->finish(id) : written;
    };
    base::Result<void> finished = co_await net::offload(loop_, ports_.pool, std::move(work));
    share_->release();
    if (!finished) error_ = finished.error();
    co_return finished;
}

}  // namespace posthorn::spool
