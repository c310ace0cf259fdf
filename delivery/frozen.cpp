#include "delivery/frozen.hpp"

#include "delivery/state_file.hpp"
#include "mail/address.hpp"

namespace posthorn::delivery {

namespace {

constexpr std::string_view kHeader = "posthorn-frozen 1";

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

}  // namespace

base::Result<Frozen> read_frozen(base::Disk& disk, const std::string& directory) {
    const std::string path = directory + "/frozen";
    const auto text = read_state_file(disk, path);
    if (!text) return std::unexpected(text.error());
    if (!*text) return Frozen{};
    return parse(**text, path);
}

base::Result<void> write_frozen(base::Disk& disk, const std::string& directory, const Frozen& frozen) {
    std::string text{kHeader};
    text += '\n';
    if (frozen.everything) text += "everything\n";
    for (const std::string& domain : frozen.domains) text += "domain " + domain + "\n";
    return write_state_file(disk, directory, "frozen", text);
}

}  // namespace posthorn::delivery
