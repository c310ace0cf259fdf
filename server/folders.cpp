#include "server/folders.hpp"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <functional>

#include "base/json.hpp"

namespace posthorn::server {
namespace {

constexpr std::size_t kLookupBuffer = std::size_t{64} << 10U;

base::Result<passwd> find_user(const std::string& name, std::string& buffer) {
    buffer.resize(kLookupBuffer);
    passwd entry{};
    passwd* found = nullptr;
    const int code = ::getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
    if (code != 0) return base::fail_errno("user " + name, code);
    if (found == nullptr) return base::fail(base::ErrorKind::permanent, "there is no user " + name);
    return entry;
}

base::Result<gid_t> find_group(const std::string& name) {
    std::string buffer(kLookupBuffer, '\0');
    group entry{};
    group* found = nullptr;
    const int code = ::getgrnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
    if (code != 0) return base::fail_errno("group " + name, code);
    if (found == nullptr) return base::fail(base::ErrorKind::permanent, "there is no group " + name);
    return entry.gr_gid;
}

// A number is itself.
base::Result<std::vector<unsigned>> ids_of(const std::vector<std::string>& names,
                                           const std::function<base::Result<unsigned>(const std::string&)>& find) {
    std::vector<unsigned> out;
    for (const auto& name : names) {
        unsigned id = 0;
        const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), id);
        if (error != std::errc{} || end != name.data() + name.size()) {
            const auto found = find(name);
            if (!found) return std::unexpected(found.error());
            id = *found;
        }
        out.push_back(id);
    }
    return out;
}

// mkdir -p; true when `path` itself was made.
base::Result<bool> make_folder(const std::string& path, mode_t mode) {
    for (std::size_t slash = path.find('/', 1); slash != std::string::npos; slash = path.find('/', slash + 1)) {
        const auto parent = path.substr(0, slash);
        if (::mkdir(parent.c_str(), 0755) == 0)
            ::chmod(parent.c_str(), 0755);
        else if (errno != EEXIST && errno != EROFS && errno != EACCES)
            return base::fail_errno(parent, errno);
    }
    if (::mkdir(path.c_str(), mode) == 0) {
        if (::chmod(path.c_str(), mode) != 0) return base::fail_errno(path, errno);
        return true;
    }
    struct stat info{};
    const int code = errno;
    if (code != EEXIST || ::stat(path.c_str(), &info) != 0) return base::fail_errno("folder " + path, code);
    if (!S_ISDIR(info.st_mode)) return base::fail_errno("folder " + path, ENOTDIR);
    return false;
}

}  // namespace

base::Result<std::optional<Identity>> wanted_identity(const ServerSection& server) {
    if (server.user.empty()) return std::nullopt;
    std::string buffer;
    const auto user = find_user(server.user, buffer);
    if (!user) return std::unexpected(user.error());
    Identity identity{.uid = user->pw_uid, .gid = user->pw_gid, .user = server.user};
    if (!server.group.empty()) {
        const auto gid = find_group(server.group);
        if (!gid) return std::unexpected(gid.error());
        identity.gid = *gid;
    }
    if (identity.uid == ::geteuid()) return std::nullopt;
    if (::geteuid() != 0)
        return base::fail(base::ErrorKind::permanent,
                          "only root can become user " + server.user + " (server.user)");
    return identity;
}

base::Result<void> become(const Identity& identity) {
    if (::initgroups(identity.user.c_str(), identity.gid) != 0) return base::fail_errno("initgroups", errno);
    if (::setgid(identity.gid) != 0) return base::fail_errno("setgid", errno);
    if (::setuid(identity.uid) != 0) return base::fail_errno("setuid", errno);
    if (identity.uid != 0 && ::setuid(0) == 0)
        return base::fail(base::ErrorKind::internal, "privileges could be taken back after dropping them");
    return {};
}

base::Result<void> make_folders(const ServerSection& server, const std::optional<Identity>& owner) {
    const std::pair<std::string, mode_t> folders[] = {
        {server.data_dir, 0750}, {server.spool_dir, 0755}, {server.runtime_dir, 0755}};
    for (const auto& [path, mode] : folders) {
        const auto made = make_folder(path, mode);
        if (!made) return std::unexpected(made.error());
        if (!owner) continue;
        struct stat info{};
        if (::stat(path.c_str(), &info) != 0) return base::fail_errno(path, errno);
        // What is the owner's already keeps its group, too: the spool may be posthorn-sendmail's to pass through.
        if ((*made || info.st_uid != owner->uid) && ::chown(path.c_str(), owner->uid, owner->gid) != 0)
            return base::fail_errno("chown " + path, errno);
    }
    return {};
}

base::Result<void> write_listeners(const std::string& path, const std::vector<Bound>& listeners) {
    base::JsonWriter json;
    json.object().key("listeners").array();
    for (const auto& bound : listeners) {
        const bool is_unix = !bound.at.unix_path.empty();
        json.object().field("protocol", bound.protocol);
        json.field("address", is_unix ? "unix:" + bound.at.unix_path : bound.at.ip.to_string());
        json.field("port", is_unix ? 0 : bound.at.port).field("endpoint", bound.at.to_string()).end();
    }
    json.end().end();
    const auto text = json.take() + "\n";
    // Readers see the old file or the whole new one.
    const auto temporary = path + ".new";
    const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0) return base::fail_errno(temporary, errno);
    const auto written = ::write(fd, text.data(), text.size());
    const int code = errno;
    ::fchmod(fd, 0644);
    ::close(fd);
    if (written != static_cast<ssize_t>(text.size())) return base::fail_errno(temporary, code);
    if (std::rename(temporary.c_str(), path.c_str()) != 0) return base::fail_errno(path, errno);
    return {};
}

std::string user_name(unsigned uid) {
    passwd entry{};
    passwd* found = nullptr;
    std::array<char, 16384> buffer{};
    if (::getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr) return {};
    return found->pw_name;
}

base::Result<std::vector<unsigned>> user_ids(const std::vector<std::string>& names) {
    return ids_of(names, [](const std::string& name) -> base::Result<unsigned> {
        std::string buffer;
        const auto user = find_user(name, buffer);
        if (!user) return std::unexpected(user.error());
        return user->pw_uid;
    });
}

base::Result<std::vector<unsigned>> group_ids(const std::vector<std::string>& names) {
    return ids_of(names, find_group);
}

}  // namespace posthorn::server
