#include "ctl/drop_folder.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "base/random.hpp"
#include "mail/envelope_codec.hpp"

namespace posthorn::ctl {
namespace {

// The server reads it as root or as its own user, which is the folder's; nobody else has to.
constexpr mode_t kMode = 0640;

class File {
public:
    explicit File(int fd) : fd_(fd) {}
    ~File() {
        if (fd_ >= 0) ::close(fd_);
    }
    File(const File&) = delete;
    File& operator=(const File&) = delete;
    int fd() const { return fd_; }

private:
    int fd_;
};

bool write_all(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
        const auto sent = ::write(fd, bytes.data(), bytes.size());
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0) return false;
        bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
}

bool copy_all(std::FILE* from, int fd) {
    std::rewind(from);
    std::array<char, 65536> buffer{};
    while (const auto got = std::fread(buffer.data(), 1, buffer.size(), from)) {
        if (!write_all(fd, {buffer.data(), got})) return false;
    }
    return std::ferror(from) == 0;
}

std::string unique_name() {
    std::array<unsigned char, 12> bytes{};
    base::secure_random(bytes.data(), bytes.size());
    std::string out;
    for (const auto b : bytes) out += fmt::format("{:02x}", b);
    return out;
}

}  // namespace

base::Result<void> drop(const std::string& folder, const mail::Envelope& envelope, std::string_view header,
                        std::FILE* body) {
    const auto name = unique_name();
    const auto hidden = fmt::format("{}/.{}", folder, name);
    const auto visible = fmt::format("{}/{}", folder, name);
    const File file(::open(hidden.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, kMode));
    if (file.fd() < 0) return base::fail_errno(folder, errno);
    const bool written = ::fchmod(file.fd(), kMode) == 0 && write_all(file.fd(), mail::encode_envelope(envelope)) &&
                         write_all(file.fd(), header) && copy_all(body, file.fd()) && ::fsync(file.fd()) == 0;
    int code = errno;
    if (written && std::rename(hidden.c_str(), visible.c_str()) == 0) {
        // Where the folder may be searched but not read (mode 1730) it cannot be opened to be synced; the server
        // syncs what it takes in.
        const File parent(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (parent.fd() < 0 || ::fsync(parent.fd()) == 0) return {};
        code = errno;
        ::unlink(visible.c_str());
        return base::fail_errno(folder, code);
    }
    if (written) code = errno;
    ::unlink(hidden.c_str());
    return base::fail_errno(hidden, code);
}

}  // namespace posthorn::ctl
