#include "delivery/frozen.hpp"

#include "delivery/state_file.hpp"
#include "mail/address.hpp"

namespace posthorn::delivery {

namespace {

constexpr std::string_view kHeader = "posthorn-frozen 1";
constexpr std::string_view kComplaint =
    "is not a list of frozen domains; repair it, or remove it to freeze nothing";
constexpr std::string_view kDomain = "domain ";

bool take(std::string_view line, Frozen& into) {
    if (line == "everything") {
        into.everything = true;
        return true;
    }
    if (!line.starts_with(kDomain)) return false;
    auto domain = mail::domain_key(line.substr(kDomain.size()));
    if (domain.empty()) return false;
    into.domains.insert(std::move(domain));
    return true;
}

}  // namespace

base::Result<Frozen> read_frozen(base::Disk& disk, const std::string& directory) {
    Frozen frozen;
    const auto read = read_state_lines(disk, directory + "/frozen", kHeader, kComplaint,
                                       [&](std::string_view line) { return take(line, frozen); });
    if (!read) return std::unexpected(read.error());
    return frozen;
}

base::Result<void> write_frozen(base::Disk& disk, const std::string& directory, const Frozen& frozen) {
    std::string text{kHeader};
    text += '\n';
    if (frozen.everything) text += "everything\n";
    for (const std::string& domain : frozen.domains) text += std::string(kDomain) + domain + "\n";
    return write_state_file(disk, directory, "frozen", text);
}

}  // namespace posthorn::delivery
