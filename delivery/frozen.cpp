#include "delivery/frozen.hpp"

#include <cerrno>

#include "mail/address.hpp"

namespace posthorn::delivery {

namespace {

constexpr std::string_view kHeader = "posthorn-frozen 1";
constexpr std::uint64_t kMaxSize = 16U << 20;

std::unexpected<base::Error> malformed(const std::string& path) {
    return base::fail(base::ErrorKind::permanent,
                      path + " is not a list of frozen domains; repair it, or remove it to freeze nothing");
}

base::Result<Frozen> parse(std::string_view text, const std::string& path) {
    Frozen frozen;
    bool first = true;
    while (!text.empty()) {
        const std::size_t end = text.find('\n');
        if (end == std::string_view::npos) return malformed(path);
        const std::string_view line = text.substr(0, end);
        text.remove_prefix(end + 1);
        if (first && line != kHeader) return malformed(path);
        if (!std::exchange(first, false)) {
            if (line == "everything") {
                frozen.everything = true;
            } else if (line.starts_with("domain ") && !mail::domain_key(line.substr(7)).empty()) {
                frozen.domains.insert(mail::domain_key(line.substr(7)));
            } else {
                return malformed(path);
            }
        }
    }
    if (first) return malformed(path);
    return frozen;
}

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

base::Result<Frozen> read_frozen(base::Disk& disk, const std::string& directory) {
    const std::string path = directory + "/frozen";
    auto file = disk.open(path, base::OpenMode::read);
    if (!file) {
        if (file.error().code == ENOENT) return Frozen{};
        return std::unexpected(file.error());
    }
    const auto size = (*file)->size();
    if (!size) return std::unexpected(size.error());
    if (*size > kMaxSize) return malformed(path);
    std::string text(*size, '\0');
    const auto got = (*file)->read(0, text);
    if (!got) return std::unexpected(got.error());
    text.resize(*got);
    return parse(text, path);
}

base::Result<void> write_frozen(base::Disk& disk, const std::string& directory, const Frozen& frozen) {
    std::string text{kHeader};
    text += '\n';
    if (frozen.everything) text += "everything\n";
    for (const std::string& domain : frozen.domains) text += "domain " + domain + "\n";
    const std::string path = directory + "/frozen";
    if (auto done = write_file(disk, path + ".new", text); !done) return done;
    if (auto done = disk.rename(path + ".new", path); !done) return done;
    return disk.sync_directory(directory);
}

}  // namespace posthorn::delivery
