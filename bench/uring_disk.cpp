#include "bench/uring_disk.hpp"

#include <fcntl.h>
#include <liburing.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace posthorn::bench {
namespace {

// A write is held back until the sync that follows it. That is sound for what the log writes behind its first page:
// the bytes live until sync() has returned. A second write before the sync sends the first one the plain way.
class UringFile final : public base::File {
public:
    UringFile(std::shared_ptr<base::File> plain, int fd) : plain_(std::move(plain)), fd_(fd) {
        ready_ = io_uring_queue_init(4, &ring_, 0) == 0;
        if (ready_) registered_ = io_uring_register_files(&ring_, &fd_, 1) == 0;
    }
    ~UringFile() override {
        if (ready_) io_uring_queue_exit(&ring_);
        ::close(fd_);
    }
    UringFile(const UringFile&) = delete;
    UringFile& operator=(const UringFile&) = delete;

    base::Result<std::size_t> read(std::uint64_t offset, std::span<char> into) const override {
        return plain_->read(offset, into);
    }
    base::Result<void> write(std::uint64_t offset, std::span<const std::string_view> pieces) override {
        if (auto sent = send_held(); !sent) return sent;
        if (!ready_ || offset == 0 || pieces.size() != 1) return plain_->write(offset, pieces);
        held_ = pieces[0];
        offset_ = offset;
        return {};
    }
    base::Result<void> sync() override {
        if (held_.empty()) return plain_->sync();
        const auto wanted = static_cast<int>(held_.size());
        submit();
        if (written_ == wanted && synced_ == 0) {
            held_ = {};
            return {};
        }
        // A short write breaks the link: the rest goes the plain way.
        if (auto sent = send_held(); !sent) return sent;
        return plain_->sync();
    }
    base::Result<std::uint64_t> size() const override { return plain_->size(); }
    base::Result<base::FileStatus> status() const override { return plain_->status(); }
    base::Result<void> truncate(std::uint64_t size) override { return plain_->truncate(size); }
    base::Result<void> reserve(std::uint64_t size) override { return plain_->reserve(size); }

private:
    base::Result<void> send_held() {
        if (held_.empty()) return {};
        return plain_->write(offset_, std::exchange(held_, {}));
    }

    io_uring_sqe* next(int op) {
        io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
        const int fd = registered_ ? 0 : fd_;
        if (op == IORING_OP_WRITE)
            io_uring_prep_write(sqe, fd, held_.data(), static_cast<unsigned>(held_.size()), offset_);
        else
            io_uring_prep_fsync(sqe, fd, IORING_FSYNC_DATASYNC);
        if (registered_) sqe->flags |= IOSQE_FIXED_FILE;
        io_uring_sqe_set_data64(sqe, static_cast<std::uint64_t>(op));
        return sqe;
    }

    void submit() {
        written_ = synced_ = -1;
        next(IORING_OP_WRITE)->flags |= IOSQE_IO_LINK;
        next(IORING_OP_FSYNC);
        int left = 2;
        int status = io_uring_submit_and_wait(&ring_, 2);
        while (left > 0 && (status >= 0 || status == -EINTR)) {
            io_uring_cqe* cqe = nullptr;
            status = io_uring_wait_cqe(&ring_, &cqe);
            if (status != 0) continue;
            (cqe->user_data == IORING_OP_WRITE ? written_ : synced_) = cqe->res;
            io_uring_cqe_seen(&ring_, cqe);
            --left;
        }
    }

    std::shared_ptr<base::File> plain_;
    int fd_;
    io_uring ring_{};
    bool ready_ = false;
    bool registered_ = false;
    std::string_view held_;
    std::uint64_t offset_ = 0;
    int written_ = -1;
    int synced_ = -1;
};

class UringDisk final : public base::Disk {
public:
    base::Result<std::shared_ptr<base::File>> open(const std::string& path, base::OpenMode mode) override {
        auto plain = plain_->open(path, mode);
        // Of segments alone; what becomes one is still called so.
        const bool segment = path.find("/log/") != std::string::npos && mode != base::OpenMode::read;
        if (!plain || !segment) return plain;
        const int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
        if (fd < 0) return plain;
        return std::make_shared<UringFile>(std::move(*plain), fd);
    }
    base::Result<void> rename(const std::string& from, const std::string& to) override {
        return plain_->rename(from, to);
    }
    base::Result<void> unlink(const std::string& path) override { return plain_->unlink(path); }
    base::Result<void> sync_directory(const std::string& path) override { return plain_->sync_directory(path); }
    base::Result<void> make_directory(const std::string& path, unsigned mode) override {
        return plain_->make_directory(path, mode);
    }
    base::Result<std::vector<std::string>> list(const std::string& path) override { return plain_->list(path); }
    base::Result<base::FileStatus> status(const std::string& path) override { return plain_->status(path); }
    base::Result<base::Space> space(const std::string& path) override { return plain_->space(path); }
    base::Result<base::Persistence> persistence(const std::string& path) override {
        return plain_->persistence(path);
    }

private:
    std::unique_ptr<base::Disk> plain_ = base::posix_disk();
};

}  // namespace

std::shared_ptr<base::Disk> uring_disk() {
    io_uring ring{};
    if (io_uring_queue_init(4, &ring, 0) != 0) return nullptr;
    io_uring_queue_exit(&ring);
    return std::make_shared<UringDisk>();
}

}  // namespace posthorn::bench
