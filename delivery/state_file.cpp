#include "delivery/state_file.hpp"

#include <cerrno>

namespace posthorn::delivery {
namespace {

base::Result<void> write_file(base::Disk& disk, const std::string& path, std::string_view text) {
    if (const auto gone = disk.unlink(path); !gone && gone.error().code != ENOENT) {
        return std::unexpected(gone.error());
    }
    auto file = disk.open(path, base::OpenMode::create);
    if (!file) return std::unexpected(file.error());
    if (auto done = (*file)->write(0, text); !done) return done;
    return (*file)->sync();
}

}  // namespace

base::Result<std::optional<std::string>> read_state_file(base::Disk& disk, const std::string& path) {
    auto file = disk.open(path, base::OpenMode::read);
    if (!file) {
        if (file.error().code == ENOENT) return std::nullopt;
        return std::unexpected(file.error());
    }
    const auto size = (*file)->size();
    if (!size) return std::unexpected(size.error());
    if (*size > kMaxStateFile) return base::fail(base::ErrorKind::permanent, path + " is too large to be ours");
    std::string text(*size, '\0');
    const auto got = (*file)->read(0, text);
    if (!got) return std::unexpected(got.error());
    text.resize(*got);
    return text;
}

base::Result<void> write_state_file(base::Disk& disk, const std::string& directory, const std::string& name,
                                    std::string_view text) {
    const std::string path = directory + "/" + name;
    if (auto done = write_file(disk, path + ".new", text); !done) return done;
    if (auto done = disk.rename(path + ".new", path); !done) return done;
    return disk.sync_directory(directory);
}

base::Result<void> read_state_lines(base::Disk& disk, const std::string& path, std::string_view header,
                                    std::string_view complaint, const std::function<bool(std::string_view)>& take) {
    const auto text = read_state_file(disk, path);
    if (!text) return std::unexpected(text.error());
    if (!*text) return {};
    const auto malformed = [&] {
        return base::fail(base::ErrorKind::permanent, path + " " + std::string(complaint));
    };
    std::string_view rest = **text;
    for (bool first = true; first || !rest.empty(); first = false) {
        const auto end = rest.find('\n');
        if (end == std::string_view::npos) return malformed();
        const auto line = rest.substr(0, end);
        rest.remove_prefix(end + 1);
        if (first ? line != header : !take(line)) return malformed();
    }
    return {};
}

}  // namespace posthorn::delivery
