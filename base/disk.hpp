// Durable file operations as a port: what the spool does to its filesystem, and nothing else. The real one stands on
// POSIX (posix_disk()); tests/support/fault_disk.hpp has one in memory that fails where it is told to and forgets
// what was not synced when the power goes.
//
// What is durable when: bytes and size of a file after File::sync(); the existence, name and absence of a file after
// sync_directory() of the directory that holds it. A failed sync says nothing about what became of the bytes: the
// kernel may have dropped them and call them clean. Never trust such a file's unsynced part again, never retry.
//
// Every call may block. Errors carry errno in Error::code; running out of space is ENOSPC or EDQUOT.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace posthorn::base {

struct FileStatus {
    std::uint64_t inode = 0;
    std::uint64_t size = 0;
    uid_t owner = 0;
    bool regular = false;
    std::uint64_t links = 0;
    std::int64_t modified_ms = 0;  // since 1970
};

class File {
public:
    virtual ~File() = default;  // closes

    // Up to into.size() octets from `offset`; fewer only at the end of the file.
    virtual Result<std::size_t> read(std::uint64_t offset, std::span<char> into) const = 0;
    // All pieces, one after the other, from `offset` on; all of it or an error (then any part may have been written).
    virtual Result<void> write(std::uint64_t offset, std::span<const std::string_view> pieces) = 0;
    Result<void> write(std::uint64_t offset, std::string_view piece) { return write(offset, {&piece, 1}); }
    // fdatasync: the bytes, and what is needed to find them again (the size).
    virtual Result<void> sync() = 0;
    virtual Result<std::uint64_t> size() const = 0;
    virtual Result<FileStatus> status() const = 0;
    virtual Result<void> truncate(std::uint64_t size) = 0;
    // Asks for space up to `size` without changing what is read; ENOSPC here is cheaper than half way through. A
    // filesystem that cannot do it says so by success.
    virtual Result<void> reserve(std::uint64_t size) = 0;
};

struct Space {
    std::uint64_t free = 0;  // octets an unprivileged process may still write
    std::uint64_t total = 0;
    std::uint64_t inodes_free = 0;
};

// What keeps nothing over a power loss. `volatile_overlay`: an overlay whose upper layer is one of the others, or
// that is mounted "volatile".
enum class Persistence { durable, tmpfs, ramfs, volatile_overlay };

enum class OpenMode {
    read,
    read_write,
    create,  // read and write; must not exist; mode 0600
};

// Any thread. Paths are used as given. Symbolic links are not followed at the last component.
class Disk {
public:
    virtual ~Disk() = default;

    virtual Result<std::shared_ptr<File>> open(const std::string& path, OpenMode mode) = 0;
    virtual Result<void> rename(const std::string& from, const std::string& to) = 0;  // replaces `to`
    // Two names that are there become each other's, at once: nobody sees, nor does a crash leave, one without the other.
    // ENOSYS or EINVAL: not on this filesystem.
    virtual Result<void> exchange(const std::string& one, const std::string& other);
    virtual Result<void> unlink(const std::string& path) = 0;
    virtual Result<void> sync_directory(const std::string& path) = 0;
    // With the mode, whatever the umask is; success when it is there already (its mode is left alone then).
    virtual Result<void> make_directory(const std::string& path, unsigned mode) = 0;
    virtual Result<std::vector<std::string>> list(const std::string& path) = 0;  // names, sorted, without . and ..
    virtual Result<FileStatus> status(const std::string& path) = 0;
    virtual Result<Space> space(const std::string& path) = 0;
    virtual Result<Persistence> persistence(const std::string& path) = 0;
};

std::unique_ptr<Disk> posix_disk();

}  // namespace posthorn::base
