#include "store/impl/maildir_files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/crc32c.hpp"
#include "store/body.hpp"

namespace posthorn::store::maildir {

namespace {

// Pieces of a text, in order.
class LineEnds {
public:
    std::string operator()(std::string_view piece) {
        std::string out;
        out.reserve(piece.size() + piece.size() / 32);
        for (const char c : piece) {
            if (c == '\n' && !after_return_) out += '\r';
            after_return_ = c == '\r';
            out += c;
        }
        return out;
    }

private:
    bool after_return_ = false;
};

// fn(piece) -> Result<void>, of the whole file.
template <class F>
base::Result<void> each_piece(const base::File& file, F&& fn) {
    std::string piece(kPiece, '\0');
    for (std::uint64_t at = 0;;) {
        const auto got = file.read(at, piece);
        if (!got) return std::unexpected(got.error());
        if (*got == 0) return {};
        if (auto done = fn(std::string_view(piece).substr(0, *got)); !done) return done;
        at += *got;
    }
}

}  // namespace

base::Result<void> link(const std::string& from, const std::string& to) {
    if (::link(from.c_str(), to.c_str()) == 0) return {};
    return base::fail_errno("link " + from + " to " + to, errno);
}

base::Result<void> set_modified(const std::string& path, base::WallTime time) {
    const auto ms = base::to_ms(time);
    timespec at{};
    at.tv_sec = ms / 1000;
    at.tv_nsec = (ms % 1000) * 1'000'000;
    if (at.tv_nsec < 0) {
        at.tv_nsec += 1'000'000'000;
        --at.tv_sec;
    }
    const timespec both[] = {at, at};
    if (::utimensat(AT_FDCWD, path.c_str(), both, AT_SYMLINK_NOFOLLOW) == 0) return {};
    return base::fail_errno("utimensat " + path, errno);
}

base::Result<void> remove_directory(const std::string& path) {
    if (::rmdir(path.c_str()) == 0) return {};
    return base::fail_errno("rmdir " + path, errno);
}

base::Result<Measured> measure(base::Disk& disk, const std::string& path) {
    const auto file = disk.open(path, base::OpenMode::read);
    if (!file) return std::unexpected(file.error());
    const auto status = (*file)->status();
    if (!status) return std::unexpected(status.error());
    Measured out;
    LineEnds line_ends;
    auto read = each_piece(**file, [&](std::string_view piece) -> base::Result<void> {
        const auto text = line_ends(piece);
        out.size += text.size();
        out.crc = base::crc32c(out.crc, text);
        return {};
    });
    if (!read) return std::unexpected(read.error());
    out.as_it_is = out.size == status->size;
    out.modified = base::from_ms(status->modified_ms);
    return out;
}

base::Result<std::shared_ptr<base::File>> with_line_ends(base::Disk& disk, const base::File& file,
                                                         const std::string& path) {
    auto made = disk.open(path, base::OpenMode::create);
    if (!made) return made;
    (void)disk.unlink(path);
    LineEnds line_ends;
    std::uint64_t at = 0;
    auto copied = each_piece(file, [&](std::string_view piece) -> base::Result<void> {
        const auto text = line_ends(piece);
        const auto where = at;
        at += text.size();
        return (*made)->write(where, text);
    });
    if (!copied) return std::unexpected(copied.error());
    return made;
}

}  // namespace posthorn::store::maildir
