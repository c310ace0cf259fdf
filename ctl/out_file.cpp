#include "ctl/out_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>

namespace posthorn::ctl {

base::Result<void> OutFile::create(std::string path, std::int64_t mtime_ms) {
    path_ = std::move(path);
    mtime_ms_ = mtime_ms;
    fd_ = base::Fd(::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!fd_) return base::fail_errno("create " + path_, errno);
    return {};
}

base::Result<void> OutFile::write(std::string_view octets) {
    while (!octets.empty()) {
        const auto put = ::write(fd_.get(), octets.data(), octets.size());
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) return base::fail_errno("write " + path_, put == 0 ? EIO : errno);
        octets.remove_prefix(static_cast<std::size_t>(put));
    }
    return {};
}

base::Result<void> OutFile::put(const std::string& to) {
    const timespec at{.tv_sec = mtime_ms_ / 1000, .tv_nsec = mtime_ms_ % 1000 * 1'000'000};
    const timespec times[] = {at, at};
    if (::futimens(fd_.get(), times) != 0) return base::fail_errno("futimens " + path_, errno);
    if (::fsync(fd_.get()) != 0) return base::fail_errno("fsync " + path_, errno);
    fd_ = base::Fd();
    if (::rename(path_.c_str(), to.c_str()) != 0) return base::fail_errno("rename " + path_, errno);
    return {};
}

base::Result<void> make_folder(const std::string& path) {
    if (::mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) return {};
    const auto slash = path.rfind('/');
    if (errno != ENOENT || slash == std::string::npos || slash == 0)
        return base::fail_errno("mkdir " + path, errno);
    if (auto done = make_folder(path.substr(0, slash)); !done) return done;
    if (::mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) return {};
    return base::fail_errno("mkdir " + path, errno);
}

base::Result<void> sync_folder(const std::string& path) {
    const base::Fd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd) return base::fail_errno("open " + path, errno);
    if (::fsync(fd.get()) != 0) return base::fail_errno("fsync " + path, errno);
    return {};
}

}  // namespace posthorn::ctl
