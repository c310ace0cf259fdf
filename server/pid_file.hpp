// The PID file: says which process we are, and that only one of us uses a runtime folder.
#pragma once

#include <string>
#include <utility>

#include "base/result.hpp"

namespace posthorn::server {

// Held by a lock that dies with the process: a file that a crash left behind is stale and is overwritten, one whose
// writer lives is refused. Removed when this is destroyed.
class PidFile {
public:
    static base::Result<PidFile> take(const std::string& path);
    ~PidFile();
    PidFile(PidFile&& other) noexcept : path_(std::exchange(other.path_, {})), fd_(std::exchange(other.fd_, -1)) {}
    PidFile& operator=(PidFile&&) = delete;

private:
    PidFile(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}
    std::string path_;
    int fd_ = -1;
};

}  // namespace posthorn::server
