#include "store/impl/layout.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "store/impl/refuse.hpp"

namespace posthorn::store {

namespace {

constexpr const char* kVersionFile = "/.layout-version";
constexpr const char* kStaging = "/.tmp";
constexpr std::size_t kMaxSmallFile = 1024;

base::Result<std::string> content(base::Disk& disk, const std::string& path) {
    const auto file = disk.open(path, base::OpenMode::read);
    if (!file) return std::unexpected(file.error());
    std::string text(kMaxSmallFile, '\0');
    const auto got = (*file)->read(0, text);
    if (!got) return std::unexpected(got.error());
    text.resize(*got);
    return text;
}

base::Result<void> put(base::Disk& disk, const std::string& folder, const std::string& name,
                       const std::string& text) {
    const auto fresh = folder + name + ".new";
    (void)disk.unlink(fresh);
    {
        const auto file = disk.open(fresh, base::OpenMode::create);
        if (!file) return std::unexpected(file.error());
        if (auto done = (*file)->write(0, text); !done) return done;
        if (auto done = (*file)->sync(); !done) return done;
    }
    if (auto done = disk.rename(fresh, folder + name); !done) return done;
    return disk.sync_directory(folder);
}

std::string name_of(BackendKind backend) { return backend == BackendKind::maildir ? "maildir" : "packs"; }

// "1": packs; "1 maildir".
std::string version_text(BackendKind backend) {
    return std::to_string(kLayoutVersion) + (backend == BackendKind::packs ? "" : ' ' + name_of(backend)) + '\n';
}

std::unexpected<base::Error> other_backend(const std::string& directory, BackendKind is, BackendKind wanted) {
    return base::fail(
        base::ErrorKind::permanent,
        directory + " was made with [store] backend = \"" + name_of(is) + "\", the configuration says \"" +
            name_of(wanted) +
            "\": set it back; to move the mail, export each account with the old "
            "setting (mailctl store export), start with a new data folder and the new one, and import "
            "them (mailctl store import)");
}

std::unexpected<base::Error> other_version(const std::string& directory, const std::string& text) {
    std::string shown = text.substr(0, text.find('\n'));
    for (char& c : shown) c = c >= ' ' && c <= '~' ? c : '?';
    return base::fail(base::ErrorKind::permanent,
                      directory + kVersionFile + " says \"" + shown + "\", this server knows version " +
                          std::to_string(kLayoutVersion) +
                          ": run the server that wrote it, or restore a backup that this one can read");
}

// ---- an account's folder gives way to another

constexpr std::string_view kSwap = "swap-";  // beside "restored-N" and "removed-N": which account they are of

bool cannot_exchange(const base::Error& error) {
    return error.code == ENOSYS || error.code == EINVAL || error.code == EOPNOTSUPP;
}

base::Result<void> sync_both(base::Disk& disk, const std::string& directory, const std::string& place) {
    if (auto done = disk.sync_directory(place.substr(0, place.rfind('/'))); !done) return done;
    return disk.sync_directory(directory + kStaging);
}

// Where names cannot be exchanged: a note says what is under way, for the next start.
base::Result<void> swap_by_two_renames(base::Disk& disk, const std::string& directory, const std::string& path,
                                       const std::string& fresh, const std::string& away) {
    const auto staging = directory + kStaging;
    const auto place = directory + '/' + path;
    const auto note = '/' + std::string(kSwap) + fresh.substr(fresh.rfind('-') + 1);
    if (auto done = put(disk, staging, note, path); !done) return done;
    auto done = disk.rename(place, away);
    if (done) done = disk.rename(fresh, place);
    if (!done) {
        if (!disk.status(place)) {
            if (auto back = disk.rename(away, place); !back) return done;  // the note stays
        }
        (void)disk.unlink(staging + note);
        return done;
    }
    if (done = sync_both(disk, directory, place); !done) return done;
    return disk.unlink(staging + note);
}

// What a crash left of that.
base::Result<void> finish_swaps(base::Disk& disk, const std::string& directory) {
    const auto staging = directory + kStaging;
    const auto names = disk.list(staging);
    if (!names) return std::unexpected(names.error());
    for (const auto& name : *names) {
        if (!name.starts_with(kSwap) || name.ends_with(".new")) continue;
        const auto number = name.substr(kSwap.size());
        const auto path = content(disk, staging + '/' + name);
        if (!path) return std::unexpected(path.error());
        const auto place = directory + '/' + *path;
        if (disk.status(place)) continue;
        auto done = disk.rename(staging + "/restored-" + number, place);
        if (!done) done = disk.rename(staging + "/removed-" + number, place);
        if (done) done = sync_both(disk, directory, place);
        if (!done) return done;
    }
    return {};
}

base::Result<void> empty_staging(base::Disk& disk, const std::string& directory) {
    const auto staging = directory + kStaging;
    if (auto made = disk.make_directory(staging, 0700); !made) return made;
    if (auto done = finish_swaps(disk, directory); !done) return done;
    const auto names = disk.list(staging);
    if (!names) return std::unexpected(names.error());
    for (const auto& name : *names) {
        std::error_code ignored;
        if (!disk.unlink(staging + '/' + name)) std::filesystem::remove_all(staging + '/' + name, ignored);
    }
    return {};
}

// The name that stands in an account whose folder is a sum of it.
std::optional<mail::AccountName> account_of(base::Disk& disk, const std::string& folder, const std::string& domain,
                                            const std::string& local) {
    const auto d = mail::from_path_component(domain);
    const auto l = mail::from_path_component(local);
    if (d && l) return mail::AccountName{*l, *d};
    const auto file = disk.open(folder + "/name", base::OpenMode::read);
    if (!file) return std::nullopt;
    std::string text(1024, '\0');
    const auto got = (*file)->read(0, text);
    if (!got) return std::nullopt;
    text.resize(*got);
    const auto at = text.rfind('@');
    if (at == std::string::npos) return std::nullopt;
    mail::AccountName name{text.substr(0, at), text.substr(at + 1)};
    if (name.path() != domain + '/' + local) return std::nullopt;
    return name;
}

}  // namespace

base::Result<void> prepare_layout(base::Disk& disk, const std::string& directory, BackendKind backend) {
    if (auto made = disk.make_directory(directory, 0750); !made) return made;
    const auto text = content(disk, directory + kVersionFile);
    if (text) {
        const auto other = backend == BackendKind::packs ? BackendKind::maildir : BackendKind::packs;
        if (*text == version_text(other)) return other_backend(directory, other, backend);
        if (*text != version_text(backend)) return other_version(directory, *text);
        return empty_staging(disk, directory);
    }
    if (text.error().code != ENOENT) return std::unexpected(text.error());
    const auto names = disk.list(directory);
    if (!names) return std::unexpected(names.error());
    if (std::ranges::any_of(*names, [](const auto& name) { return !name.starts_with('.'); })) {
        return base::fail(base::ErrorKind::permanent,
                          directory +
                              " has content but no .layout-version: if it is a store of this server, write \"" +
                              version_text(backend).substr(0, version_text(backend).size() - 1) +
                              "\" and a newline into that file; else name another folder");
    }
    if (auto done = empty_staging(disk, directory); !done) return done;
    return put(disk, directory, kVersionFile, version_text(backend));
}

base::Result<void> make_account_folder(base::Disk& disk, const std::string& directory,
                                       const mail::AccountName& name) {
    const auto folder = directory + '/' + name.path();
    if (disk.status(folder + "/bodies")) return {};
    const auto domain = folder.substr(0, folder.rfind('/'));
    if (!disk.status(domain)) {
        if (auto done = disk.make_directory(domain, 0750); !done) return done;
        if (auto done = disk.sync_directory(directory); !done) return done;
    }
    if (auto done = disk.make_directory(folder, 0700); !done) return done;
    if (folder.contains("%sha256-")) {
        if (auto done = put(disk, folder, "/name", name.text()); !done) return done;
    }
    if (auto done = disk.make_directory(folder + "/bodies", 0700); !done) return done;
    if (auto done = disk.sync_directory(folder); !done) return done;
    return disk.sync_directory(domain);
}

base::Result<std::string> put_account_in_place(base::Disk& disk, const std::string& directory,
                                               const mail::AccountName& name, const std::string& fresh) {
    const auto place = directory + '/' + name.path();
    auto exchanged = disk.exchange(fresh, place);
    if (exchanged) {
        if (auto done = sync_both(disk, directory, place); !done) {
            (void)disk.exchange(fresh, place);  // what may not last is not told as done
            return std::unexpected(done.error());
        }
        return fresh;
    }
    if (!cannot_exchange(exchanged.error())) return std::unexpected(exchanged.error());
    const auto away = directory + kStaging + "/removed-" + fresh.substr(fresh.rfind('-') + 1);
    if (auto done = swap_by_two_renames(disk, directory, name.path(), fresh, away); !done)
        return std::unexpected(done.error());
    return away;
}

base::Result<base::Fd> lock_store(const std::string& directory) {
    const auto path = directory + "/.lock";
    base::Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!fd) return base::fail_errno("open " + path, errno);
    (void)::fchmod(fd.get(), 0600);
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) == 0) return fd;
    if (errno != EWOULDBLOCK) return base::fail_errno("lock " + path, errno);
    return std::unexpected(base::Error{base::ErrorKind::temporary, "4.3.0", "Temporary local problem",
                                       directory + " is in use: a server runs, or another check or repair", EBUSY});
}

base::Result<std::vector<mail::AccountName>> list_accounts(base::Disk& disk, const std::string& directory) {
    std::vector<mail::AccountName> out;
    const auto domains = disk.list(directory);
    if (!domains) return std::unexpected(domains.error());
    for (const auto& domain : *domains) {
        if (domain.starts_with('.')) continue;
        const auto locals = disk.list(directory + '/' + domain);
        if (!locals) continue;  // no folder
        for (const auto& local : *locals) {
            const auto folder = directory + '/' + domain + '/' + local;
            if (!disk.status(folder + "/bodies")) continue;
            if (auto name = account_of(disk, folder, domain, local)) out.push_back(*std::move(name));
        }
    }
    std::ranges::sort(out);
    return out;
}

}  // namespace posthorn::store
