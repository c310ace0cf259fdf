// A message on its way from standard input to the server.
#pragma once

#include <cstdio>
#include <memory>
#include <optional>
#include <string>

#include "base/result.hpp"

namespace posthorn::ctl {

// All of it is read, with lines made to end in CRLF, before its first piece is given: whoever writes it may be slower than
// the server waits. It stands in a file that has no name.
class MessageInput {
public:
    // Errors: what is read cannot be read, or there is no temporary file.
    static base::Result<MessageInput> read(std::FILE* from);
    // A file as it is.
    static base::Result<MessageInput> open(const std::string& path);
    // Nothing: that was all.
    base::Result<std::optional<std::string>> next();

private:
    using FilePtr = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;
    explicit MessageInput(FilePtr file) : file_(std::move(file)) {}
    FilePtr file_;
};

}  // namespace posthorn::ctl
