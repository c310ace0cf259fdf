// A disk that loses power, laid under the real daemon by LD_PRELOAD. It keeps a journal of what would be lost: the
// old content of each page that was written and not synced, each name that changed in a directory that was not. The
// daemon is killed, power.py takes back any subset of it. Nothing is synced for real: the page cache outlives a kill.
//
// It also fails what it is told to, and kills the process at a chosen operation. By the environment:
//   POWER_SPOOL   the spool; what happens in its log/, big/, corrupt/ and incoming/ counts
//   POWER_UNDO    a folder on the same file system: the journal, and links to files that were removed
//   POWER_CUT     the process dies at this operation (a write, sync, rename or unlink), counted from 0
//   POWER_FAULT   "KIND N ERRNO COUNT": the Nth operation of that kind and COUNT - 1 more fail
#undef _FILE_OFFSET_BITS  // both names of each call are ours: no header may make one of the other

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <map>
#include <mutex>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace {

constexpr std::size_t kPageSize = 4096;
constexpr long kSyncMicroseconds = 500;  // as a disk takes: rounds of several messages form
constexpr std::array<std::string_view, 4> kFolders{"/log", "/big", "/corrupt", "/incoming"};

template <class Function>
Function next(const char* name) {
    return reinterpret_cast<Function>(::dlsym(RTLD_NEXT, name));
}

std::string variable(const char* name) {
    const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): before any thread
    return value == nullptr ? std::string() : value;
}

std::string folder_of(std::string_view path) { return std::string(path.substr(0, path.rfind('/'))); }

class Layer {
public:
    Layer() : spool_(variable("POWER_SPOOL")), undo_(variable("POWER_UNDO")) {
        if (const auto cut = variable("POWER_CUT"); !cut.empty()) cut_ = std::stoul(cut);
        if (const auto sync = variable("POWER_SYNC"); !sync.empty()) sync_microseconds_ = std::stol(sync);
        std::istringstream fault(variable("POWER_FAULT"));
        fault >> fault_kind_ >> fault_at_ >> fault_code_ >> fault_count_;
        if (spool_.empty() || undo_.empty()) return;
        journal_ = real_open_((undo_ + "/journal").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    }

    std::mutex& mutex() { return mutex_; }
    timespec sync_latency() const {
        return {sync_microseconds_ / 1'000'000, sync_microseconds_ % 1'000'000 * 1'000};
    }

    // A name in one of the folders, or one of the folders.
    bool ours(std::string_view path) const {
        if (journal_ < 0 || !path.starts_with(spool_)) return false;
        path.remove_prefix(spool_.size());
        return std::ranges::any_of(kFolders, [&](std::string_view folder) {
            return path.starts_with(folder) && (path.size() == folder.size() || path[folder.size()] == '/');
        });
    }

    // Everything below: with the mutex held. The errno to fail with, or 0; may not come back.
    int operation(std::string_view kind) {
        if (operations_++ == cut_) {
            ::kill(::getpid(), SIGKILL);
            for (;;) ::pause();
        }
        if (kind != fault_kind_) return 0;
        const auto number = of_kind_++;
        return number >= fault_at_ && number < fault_at_ + fault_count_ ? fault_code_ : 0;
    }

    void opened(int fd, const std::string& path, bool created) {
        open_[fd] = path;
        if (created) changed(path, 0, inode(path), 0);
    }
    void closed(int fd) { open_.erase(fd); }
    const std::string* path_of(int fd) const {
        const auto at = open_.find(fd);
        return at == open_.end() ? nullptr : &at->second;
    }

    void will_write(int fd, std::uint64_t from, std::uint64_t size) {
        struct stat st{};
        if (size == 0 || ::fstat(fd, &st) != 0) return;
        auto& dirty = dirty_[st.st_ino];
        for (auto page = from / kPageSize; page <= (from + size - 1) / kPageSize; ++page) {
            if (!dirty.insert(page).second) continue;
            std::array<char, kPageSize> image{};
            const auto got =
                std::max<ssize_t>(0, ::pread(fd, image.data(), kPageSize, static_cast<off_t>(page * kPageSize)));
            note("U " + std::to_string(st.st_ino) + ' ' + std::to_string(page) + ' ' + std::to_string(st.st_size) +
                     ' ' + std::to_string(got),
                 {image.data(), static_cast<std::size_t>(got)});
        }
    }

    void synced(int fd, const std::string& path, bool good) {
        struct stat st{};
        if (::fstat(fd, &st) != 0) return;
        if (S_ISDIR(st.st_mode)) {
            if (good) note("D " + path);
            return;
        }
        note((good ? "S " : "F ") + std::to_string(st.st_ino));
        dirty_.erase(st.st_ino);
    }

    // A link keeps what is about to lose its name.
    void keep(const std::string& path) {
        static unsigned long count = 0;
        const auto link = undo_ + "/keep-" + std::to_string(::getpid()) + '-' + std::to_string(count++);
        (void)::link(path.c_str(), link.c_str());
    }
    void changed(const std::string& path, ino_t before, ino_t after, unsigned long pair) {
        note("N " + std::to_string(before) + ' ' + std::to_string(after) + ' ' + std::to_string(pair) + ' ' + path);
    }
    static ino_t inode(const std::string& path) {
        struct stat st{};
        return ::lstat(path.c_str(), &st) == 0 ? st.st_ino : 0;
    }
    // Not used before by an earlier process of the same journal.
    unsigned long new_pair() { return static_cast<unsigned long>(::getpid()) * 1'000'000 + ++pairs_; }

private:
    void note(std::string line, std::string_view blob = {}) {
        line += '\n';
        line += blob;
        for (std::string_view left = line; !left.empty();) {
            const auto n = ::write(journal_, left.data(), left.size());
            if (n <= 0) std::abort();  // without its journal the test proves nothing
            left.remove_prefix(static_cast<std::size_t>(n));
        }
    }

    using Open = int (*)(const char*, int, ...);
    Open real_open_ = next<Open>("open");
    std::mutex mutex_;
    std::string spool_;
    std::string undo_;
    int journal_ = -1;
    std::map<int, std::string> open_;
    std::map<ino_t, std::set<std::uint64_t>> dirty_;
    unsigned long pairs_ = 0;
    unsigned long operations_ = 0;
    long sync_microseconds_ = kSyncMicroseconds;
    unsigned long cut_ = ~0UL;
    std::string fault_kind_;
    unsigned long of_kind_ = 0;
    unsigned long fault_at_ = 0;
    int fault_code_ = 0;
    unsigned long fault_count_ = 0;
};

Layer& layer() {
    static auto* one = new Layer;  // outlives every thread and destructor
    return *one;
}

int fail(int code) {
    errno = code;
    return -1;
}

int open_file(const char* path, int flags, mode_t mode) {
    static const auto real = next<int (*)(const char*, int, ...)>("open");
    auto& l = layer();
    if (!l.ours(path)) return real(path, flags, mode);
    const std::lock_guard lock(l.mutex());
    const bool existed = Layer::inode(path) != 0;
    const int fd = real(path, flags, mode);
    if (fd >= 0) l.opened(fd, path, !existed);
    return fd;
}

ssize_t write_vector(int fd, const iovec* pieces, int count, off_t offset) {
    static const auto real = next<ssize_t (*)(int, const iovec*, int, off_t)>("pwritev");
    auto& l = layer();
    const std::lock_guard lock(l.mutex());
    if (l.path_of(fd) == nullptr) return real(fd, pieces, count, offset);
    std::uint64_t size = 0;
    for (int i = 0; i < count; ++i) size += pieces[i].iov_len;
    l.will_write(fd, static_cast<std::uint64_t>(offset), size);
    if (const int code = l.operation("write")) {
        const iovec part{pieces[0].iov_base, pieces[0].iov_len / 2};
        if (code == ENOSPC) (void)real(fd, &part, 1, offset);  // a full disk takes some of it
        return fail(code);
    }
    return real(fd, pieces, count, offset);
}

int sync_file(int fd, const char* name) {
    auto& l = layer();
    const std::lock_guard lock(l.mutex());
    const auto* path = l.path_of(fd);
    if (path == nullptr) return next<int (*)(int)>(name)(fd);
    const timespec latency = l.sync_latency();
    ::nanosleep(&latency, nullptr);
    const int code = l.operation("sync");
    l.synced(fd, *path, code == 0);
    return code == 0 ? 0 : fail(code);
}

}  // namespace

extern "C" {

int open(const char* path, int flags, ...) {
    std::va_list list;
    va_start(list, flags);
    const auto mode = va_arg(list, mode_t);
    va_end(list);
    return open_file(path, flags, mode);
}

int open64(const char* path, int flags, ...) {
    std::va_list list;
    va_start(list, flags);
    const auto mode = va_arg(list, mode_t);
    va_end(list);
    return open_file(path, flags, mode);
}

int close(int fd) {
    static const auto real = next<int (*)(int)>("close");
    auto& l = layer();
    const std::lock_guard lock(l.mutex());
    l.closed(fd);
    return real(fd);
}

ssize_t pwritev(int fd, const iovec* pieces, int count, off_t offset) {
    return write_vector(fd, pieces, count, offset);
}
ssize_t pwritev64(int fd, const iovec* pieces, int count, off64_t offset) {
    return write_vector(fd, pieces, count, offset);
}

int fsync(int fd) { return sync_file(fd, "fsync"); }
int fdatasync(int fd) { return sync_file(fd, "fdatasync"); }

int unlink(const char* path) noexcept {
    static const auto real = next<int (*)(const char*)>("unlink");
    auto& l = layer();
    if (!l.ours(path)) return real(path);
    const std::lock_guard lock(l.mutex());
    if (const int code = l.operation("unlink")) return fail(code);
    const auto inode = Layer::inode(path);
    if (inode == 0) return fail(ENOENT);
    l.keep(path);
    l.changed(path, inode, 0, 0);
    return real(path);
}

int rename(const char* from, const char* to) noexcept {
    static const auto real = next<int (*)(const char*, const char*)>("rename");
    auto& l = layer();
    if (!l.ours(from) && !l.ours(to)) return real(from, to);
    const std::lock_guard lock(l.mutex());
    if (const int code = l.operation("rename")) return fail(code);
    const auto inode = Layer::inode(from);
    if (inode == 0) return fail(ENOENT);
    const auto old = Layer::inode(to);
    if (old != 0) l.keep(to);
    const auto pair = folder_of(from) == folder_of(to) ? l.new_pair() : 0;
    l.changed(to, old, inode, pair);
    l.changed(from, inode, 0, pair);
    return real(from, to);
}

}  // extern "C"
