#include "base/disk.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <fstream>
#include <sstream>

namespace posthorn::base {
namespace {

std::unexpected<Error> failed(std::string_view what, const std::string& path) {
    const int code = errno;
    return fail_errno(std::string(what) + " " + path, code);
}

FileStatus status_of(const struct stat& st) {
    return {.inode = st.st_ino,
            .size = static_cast<std::uint64_t>(st.st_size),
            .owner = st.st_uid,
            .regular = S_ISREG(st.st_mode),
            .links = st.st_nlink,
            .modified_ms = std::int64_t{st.st_mtim.tv_sec} * 1000 + st.st_mtim.tv_nsec / 1'000'000};
}

class PosixFile final : public File {
public:
    PosixFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
    ~PosixFile() override { ::close(fd_); }
    PosixFile(const PosixFile&) = delete;
    PosixFile& operator=(const PosixFile&) = delete;

    Result<std::size_t> read(std::uint64_t offset, std::span<char> into) const override {
        std::size_t done = 0;
        while (done < into.size()) {
            const auto n = ::pread(fd_, into.data() + done, into.size() - done, static_cast<off_t>(offset + done));
            if (n < 0 && errno == EINTR) continue;
            if (n < 0) return failed("read", path_);
            if (n == 0) break;
            done += static_cast<std::size_t>(n);
        }
        return done;
    }

    Result<void> write(std::uint64_t offset, std::span<const std::string_view> pieces) override {
        std::array<iovec, 512> vector{};
        std::size_t piece = 0;
        std::size_t inside = 0;  // octets of pieces[piece] that are written
        for (;;) {
            int count = 0;
            std::size_t skip = inside;
            for (std::size_t i = piece; i < pieces.size() && static_cast<std::size_t>(count) < vector.size(); ++i) {
                if (pieces[i].size() > skip) {
                    // pwritev reads only.
                    vector[static_cast<std::size_t>(count++)] = {const_cast<char*>(pieces[i].data()) + skip,
                                                                 pieces[i].size() - skip};
                }
                skip = 0;
            }
            if (count == 0) return {};
            const auto n = ::pwritev(fd_, vector.data(), count, static_cast<off_t>(offset));
            if (n < 0 && errno == EINTR) continue;
            if (n < 0) return failed("write", path_);
            offset += static_cast<std::uint64_t>(n);
            advance(pieces, piece, inside, static_cast<std::size_t>(n));
        }
    }

    Result<void> sync() override {
        if (::fdatasync(fd_) != 0) return failed("fdatasync", path_);
        return {};
    }
    Result<std::uint64_t> size() const override {
        struct stat st{};
        if (::fstat(fd_, &st) != 0) return failed("fstat", path_);
        return static_cast<std::uint64_t>(st.st_size);
    }
    Result<FileStatus> status() const override {
        struct stat st{};
        if (::fstat(fd_, &st) != 0) return failed("fstat", path_);
        return status_of(st);
    }
    Result<void> truncate(std::uint64_t size) override {
        if (::ftruncate(fd_, static_cast<off_t>(size)) != 0) return failed("ftruncate", path_);
        return {};
    }
    Result<void> reserve(std::uint64_t size) override {
        // Not posix_fallocate: where the filesystem cannot, that writes a byte into every block.
        if (::fallocate(fd_, FALLOC_FL_KEEP_SIZE, 0, static_cast<off_t>(size)) == 0) return {};
        if (errno == EOPNOTSUPP || errno == ENOSYS) return {};
        return failed("fallocate", path_);
    }

private:
    static void advance(std::span<const std::string_view> pieces, std::size_t& piece, std::size_t& inside,
                        std::size_t written) {
        while (piece < pieces.size() && written >= pieces[piece].size() - inside) {
            written -= pieces[piece].size() - inside;
            inside = 0;
            ++piece;
        }
        inside += written;
    }

    int fd_;
    std::string path_;
};

bool magic_is_volatile(const std::string& path) {
    struct statfs fs{};
    return ::statfs(path.c_str(), &fs) == 0 && (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC);
}

// The options of the mount that holds device `device`, from /proc/self/mountinfo.
std::string mount_options(dev_t device) {
    std::ifstream in("/proc/self/mountinfo");
    const std::string wanted = std::to_string(major(device)) + ':' + std::to_string(minor(device));
    std::string options;
    for (std::string line; std::getline(in, line);) {
        std::istringstream fields(line);
        std::string skip;
        std::string number;
        fields >> skip >> skip >> number;
        const auto dash = line.find(" - ");
        if (number == wanted && dash != std::string::npos) options = line.substr(dash + 3);
    }
    return options;
}

bool overlay_is_volatile(const std::string& path) {
    struct stat st{};
    if (::stat(path.c_str(), &st) != 0) return false;
    std::istringstream options(mount_options(st.st_dev));
    std::string all;
    options >> all >> all >> all;  // type, source, options
    std::istringstream list(all);
    for (std::string option; std::getline(list, option, ',');) {
        if (option == "volatile") return true;
        // Ours to see only when the layer lies within our own namespace.
        if (option.starts_with("upperdir=") && magic_is_volatile(option.substr(9))) return true;
    }
    return false;
}

class PosixDisk final : public Disk {
public:
    Result<std::shared_ptr<File>> open(const std::string& path, OpenMode mode) override {
        int flags = O_CLOEXEC | O_NOFOLLOW;
        switch (mode) {
            case OpenMode::read: flags |= O_RDONLY | O_NONBLOCK; break;  // a FIFO must not hold us
            case OpenMode::read_write: flags |= O_RDWR; break;
            case OpenMode::create: flags |= O_RDWR | O_CREAT | O_EXCL; break;
        }
        const int fd = ::open(path.c_str(), flags, 0600);
        if (fd < 0) return failed("open", path);
        if (mode == OpenMode::create) (void)::fchmod(fd, 0600);
        return std::make_shared<PosixFile>(fd, path);
    }
    Result<void> rename(const std::string& from, const std::string& to) override {
        if (::rename(from.c_str(), to.c_str()) != 0) return failed("rename", from + " to " + to);
        return {};
    }
    Result<void> exchange(const std::string& one, const std::string& other) override {
        if (::renameat2(AT_FDCWD, one.c_str(), AT_FDCWD, other.c_str(), RENAME_EXCHANGE) != 0)
            return failed("exchange", one + " and " + other);
        return {};
    }
    Result<void> unlink(const std::string& path) override {
        if (::unlink(path.c_str()) != 0) return failed("unlink", path);
        return {};
    }
    Result<void> sync_directory(const std::string& path) override {
        const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0) return failed("open", path);
        const bool good = ::fsync(fd) == 0;
        const int code = errno;
        ::close(fd);
        if (!good) return fail_errno("fsync " + path, code);
        return {};
    }
    Result<void> make_directory(const std::string& path, unsigned mode) override {
        if (::mkdir(path.c_str(), 0700) != 0) {
            if (errno == EEXIST) return {};
            return failed("mkdir", path);
        }
        if (::chmod(path.c_str(), mode) != 0) return failed("chmod", path);
        return {};
    }
    Result<std::vector<std::string>> list(const std::string& path) override {
        DIR* dir = ::opendir(path.c_str());
        if (dir == nullptr) return failed("opendir", path);
        std::vector<std::string> names;
        errno = 0;
        // A stream of our own: readdir() is safe on it.
        while (const dirent* entry = ::readdir(dir)) {  // NOLINT(concurrency-mt-unsafe)
            const std::string_view name = entry->d_name;
            if (name != "." && name != "..") names.emplace_back(name);
        }
        const int code = errno;
        ::closedir(dir);
        if (code != 0) return fail_errno("readdir " + path, code);
        std::ranges::sort(names);
        return names;
    }
    Result<FileStatus> status(const std::string& path) override {
        struct stat st{};
        if (::lstat(path.c_str(), &st) != 0) return failed("lstat", path);
        return status_of(st);
    }
    Result<Space> space(const std::string& path) override {
        struct statvfs fs{};
        if (::statvfs(path.c_str(), &fs) != 0) return failed("statvfs", path);
        // Some filesystems (btrfs) count no inodes: they say 0 of 0.
        const std::uint64_t inodes = fs.f_files == 0 ? UINT64_MAX : fs.f_favail;
        return Space{std::uint64_t{fs.f_bavail} * fs.f_frsize, std::uint64_t{fs.f_blocks} * fs.f_frsize, inodes};
    }
    Result<Persistence> persistence(const std::string& path) override {
        struct statfs fs{};
        if (::statfs(path.c_str(), &fs) != 0) return failed("statfs", path);
        if (fs.f_type == TMPFS_MAGIC) return Persistence::tmpfs;
        if (fs.f_type == RAMFS_MAGIC) return Persistence::ramfs;
        if (fs.f_type == OVERLAYFS_SUPER_MAGIC && overlay_is_volatile(path)) return Persistence::volatile_overlay;
        return Persistence::durable;
    }
};

}  // namespace

Result<void> Disk::exchange(const std::string& one, const std::string& other) {
    return fail_errno("exchange " + one + " and " + other, ENOSYS);
}

std::unique_ptr<Disk> posix_disk() { return std::make_unique<PosixDisk>(); }

}  // namespace posthorn::base
