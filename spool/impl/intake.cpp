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

void LogIntake::spill() { file_ = std::make_shared<BigFile>(ports_.files, name_); }

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

net::Task<base::Result<void>> LogIntake::flush() {
    if (error_) co_return std::unexpected(*error_);
    if (file_ == nullptr || bytes_->empty()) co_return base::Result<void>{};
    if (out_of_room(bytes_->size())) co_return std::unexpected(*error_);
    auto bytes = std::exchange(bytes_, std::make_shared<std::string>());
    auto write = [file = file_, bytes] { return file->write(*bytes); };
    base::Result<void> written = co_await net::offload(loop_, ports_.pool, std::move(write));
    share_->release();
    crowded_ = false;
    if (!written) error_ = written.error();
    co_return written;
}

net::Task<base::Result<void>> LogIntake::finish(base::Ulid id) {
    if (error_) co_return std::unexpected(*error_);
    if (file_ == nullptr) co_return base::Result<void>{};
    if (out_of_room(bytes_->size())) co_return std::unexpected(*error_);
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
