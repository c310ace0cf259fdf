#include "ctl/message_input.hpp"

#include <array>
#include <cerrno>

#include "ctl/submitted_message.hpp"

namespace posthorn::ctl {
namespace {

constexpr std::size_t kPiece = std::size_t{64} << 10U;

}  // namespace

base::Result<MessageInput> MessageInput::read(std::FILE* from) {
    FilePtr file(std::tmpfile(), std::fclose);
    if (!file) return base::fail_errno("temporary file", errno);
    LineEnds lines(false);
    std::array<char, kPiece> buffer;
    std::string piece;
    for (bool more = true; more;) {
        const auto got = std::fread(buffer.data(), 1, buffer.size(), from);
        more = got > 0;
        if (more)
            lines.feed({buffer.data(), got}, piece);
        else
            lines.finish(piece);
        if (std::fwrite(piece.data(), 1, piece.size(), file.get()) != piece.size())
            return base::fail_errno("temporary file", errno);
        piece.clear();
    }
    if (std::ferror(from) != 0) return base::fail_errno("standard input", errno);
    if (std::fseek(file.get(), 0, SEEK_SET) != 0) return base::fail_errno("temporary file", errno);
    return MessageInput(std::move(file));
}

base::Result<MessageInput> MessageInput::open(const std::string& path) {
    FilePtr file(std::fopen(path.c_str(), "re"), std::fclose);
    if (!file) return base::fail_errno(path, errno);
    return MessageInput(std::move(file));
}

base::Result<std::optional<std::string>> MessageInput::next() {
    std::string piece(kPiece, '\0');
    piece.resize(std::fread(piece.data(), 1, piece.size(), file_.get()));
    if (std::ferror(file_.get()) != 0) return base::fail_errno("temporary file", errno);
    if (piece.empty()) return std::nullopt;
    return piece;
}

}  // namespace posthorn::ctl
