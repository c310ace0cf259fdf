#include "server/pid_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace posthorn::server {
namespace {

constexpr mode_t kMode = 0644;

// Another process may remove the file between our opening and locking it: then the name is another file's.
bool still_there(int fd, const std::string& path) {
    struct stat ours{}, named{};
    return ::fstat(fd, &ours) == 0 && ::stat(path.c_str(), &named) == 0 && ours.st_ino == named.st_ino &&
           ours.st_dev == named.st_dev;
}

std::string read_pid(int fd) {
    std::array<char, 32> buffer{};
    const auto got = ::pread(fd, buffer.data(), buffer.size(), 0);
    std::string text(buffer.data(), got > 0 ? static_cast<std::size_t>(got) : 0);
    while (!text.empty() && text.back() == '\n') text.pop_back();
    return text.empty() ? "unknown" : text;
}

}  // namespace

base::Result<PidFile> PidFile::take(const std::string& path) {
    while (true) {
        const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, kMode);
        if (fd < 0) return base::fail_errno("PID file " + path, errno);
        PidFile file({}, fd);
        if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
            const int code = errno;
            if (code != EWOULDBLOCK) return base::fail_errno("PID file " + path, code);
            return base::fail(base::ErrorKind::permanent,
                              path + ": process " + read_pid(fd) + " is running with this runtime_dir");
        }
        if (!still_there(fd, path)) continue;
        const auto text = std::to_string(::getpid()) + "\n";
        if (::fchmod(fd, kMode) != 0 || ::ftruncate(fd, 0) != 0 ||
            ::pwrite(fd, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size()))
            return base::fail_errno("PID file " + path, errno);
        file.path_ = path;
        return file;
    }
}

PidFile::~PidFile() {
    if (!path_.empty()) ::unlink(path_.c_str());
    if (fd_ >= 0) ::close(fd_);
}

}  // namespace posthorn::server
