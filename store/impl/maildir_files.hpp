// What a Maildir needs of the file system beside base/disk.hpp, and messages as others store them: with bare line feeds.
// Blocking.
#pragma once

#include <memory>
#include <string>

#include "base/clock.hpp"
#include "base/disk.hpp"

namespace posthorn::store::maildir {

base::Result<void> link(const std::string& from, const std::string& to);  // EEXIST when `to` is there
base::Result<void> set_modified(const std::string& path, base::WallTime time);
base::Result<void> remove_directory(const std::string& path);

// A message as it is told to clients: each line feed has its carriage return (RFC 5322 §2.3).
struct Measured {
    std::uint64_t size = 0;
    std::uint32_t crc = 0;  // CRC-32C
    bool as_it_is = false;  // the file has just these octets
    base::WallTime modified{};
};
base::Result<Measured> measure(base::Disk& disk, const std::string& path);

// A nameless file with these octets, by way of `path`, which must not be there.
base::Result<std::shared_ptr<base::File>> with_line_ends(base::Disk& disk, const base::File& file,
                                                         const std::string& path);

}  // namespace posthorn::store::maildir
