// A file that is written whole: under another name until it is synced.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/fd.hpp"
#include "base/result.hpp"

namespace posthorn::ctl {

class OutFile {
public:
    // `mtime_ms`: since 1970, the file's own time at last.
    base::Result<void> create(std::string path, std::int64_t mtime_ms);
    base::Result<void> write(std::string_view octets);
    base::Result<void> put(const std::string& to);  // syncs, closes, renames

private:
    base::Fd fd_;
    std::string path_;
    std::int64_t mtime_ms_ = 0;
};

base::Result<void> make_folder(const std::string& path);  // with those above; success when it is there
base::Result<void> sync_folder(const std::string& path);

}  // namespace posthorn::ctl
