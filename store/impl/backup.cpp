#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "base/fd.hpp"
#include "store/impl/keeping.hpp"
#include "store/impl/layout.hpp"
#include "store/impl/refuse.hpp"

namespace posthorn::store {

namespace {

constexpr int kPasses = 100;  // over a folder whose files others rename meanwhile

// A link, or where there can be none (another filesystem) a copy, synced.
base::Result<void> link_or_copy(const std::string& from, const std::string& to) {
    if (::link(from.c_str(), to.c_str()) == 0) return {};
    if (errno != EXDEV && errno != EPERM && errno != EMLINK) return base::fail_errno("link " + to, errno);
    const base::Fd in(::open(from.c_str(), O_RDONLY | O_CLOEXEC));
    if (!in) return base::fail_errno("open " + from, errno);
    const base::Fd out(::open(to.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!out || ::fchmod(out.get(), 0600) != 0) return base::fail_errno("create " + to, errno);
    std::string piece(kPiece, '\0');
    while (true) {
        const auto got = ::read(in.get(), piece.data(), piece.size());
        if (got == 0) break;
        if (got < 0) return base::fail_errno("read " + from, errno);
        if (::write(out.get(), piece.data(), static_cast<std::size_t>(got)) != got)
            return base::fail_errno("write " + to, errno == 0 ? EIO : errno);
    }
    if (::fsync(out.get()) != 0) return base::fail_errno("fsync " + to, errno);
    return {};
}

// What others keep in a Maildir for themselves they may change in place: a link would change with it.
bool belongs(const std::string& name) { return !name.starts_with("dovecot") || name == "dovecot-keywords"; }

// Neither a file nor a folder, as a link: it stays behind.
bool something_else(const std::string& path) {
    using enum std::filesystem::file_type;
    std::error_code ignored;
    const auto type = std::filesystem::symlink_status(path, ignored).type();
    return type != regular && type != directory && type != not_found && type != none;
}

base::Result<void> take_files(base::Disk& disk, const std::string& from, const std::string& to,
                              BackupReport& report) {
    if (auto made = disk.make_directory(to, 0700); !made) return made;
    // A file that another renames meanwhile is found under its new name in the next pass.
    int passes = 0;
    for (bool again = true; again;) {
        if (++passes > kPasses)
            return base::fail(base::ErrorKind::temporary,
                              from + ": its files change faster than they can be taken");
        again = false;
        const auto names = disk.list(from);
        if (!names) return std::unexpected(names.error());
        for (const auto& name : *names) {
            const auto source = from + '/' + name;
            const auto target = to + '/' + name;
            const auto status = disk.status(source);
            if (!belongs(name) || (status && !status->regular && something_else(source))) continue;
            if (status && disk.status(target) && status->regular) continue;
            auto done = !status           ? base::Result<void>(std::unexpected(status.error()))
                        : status->regular ? link_or_copy(source, target)
                        : from.ends_with("/tmp") || name == "tmp" ? disk.make_directory(target, 0700)
                                                                  : take_files(disk, source, target, report);
            if (!done && done.error().code == ENOENT) {
                again = true;
                continue;
            }
            if (!done) return done;
            if (!status->regular) continue;
            ++report.files;
            report.octets += status->size;
        }
    }
    return disk.sync_directory(to);
}

std::string parent_of(const std::string& folder) {
    const auto end = folder.find_last_not_of('/');
    const auto slash = folder.rfind('/', end);
    return slash == 0 ? "/" : folder.substr(0, slash);
}

void remove_all(const std::string& folder) {
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
}

// An index that was put somewhere by copying is no more what the directory's mark speaks of.
base::Result<std::uint64_t> make_it_an_old_copy(Shared& shared, const mail::AccountName& name,
                                                const std::string& path, ModSeq last) {
    const auto index = Index::open(path, name, shared.clock, false);
    if (!index) return std::unexpected(index.error());
    auto mark = shared.high_water != nullptr ? shared.high_water->get(name) : Mark{};
    if (!mark) return std::unexpected(mark.error());
    mark->modseq = std::max({mark->modseq, (*index)->counters().reserved, last}) + 1;
    if (auto done = (*index)->put_into_order(*mark, last, false); !done) return std::unexpected(done.error());
    (*index)->db().run("UPDATE account SET name = ?", name.text());
    if (auto done = (*index)->db().take_error(); !done) return std::unexpected(done.error());
    return (*index)->counters().messages;
}

}  // namespace

base::Result<BackupReport> backup_account(OpenAccount& open, const std::string& folder) {
    auto& disk = open.shared().disk;
    if (!folder.starts_with('/')) return refuse(EINVAL, folder + " is no absolute path");
    if (disk.status(folder)) return refuse(EEXIST, folder + " is there already");
    if (auto made = disk.make_directory(folder, 0700); !made) return std::unexpected(made.error());
    const auto folders = open.bodies().leave();
    BackupReport report;
    report.messages = open.index().counters().messages;
    auto done = open.index().db().copy_to(folder + "/index.sqlite");
    for (const auto& one : folders) {
        if (done) done = take_files(disk, open.folder() + '/' + one, folder + '/' + one, report);
    }
    if (done) done = disk.sync_directory(folder);
    if (done) done = disk.sync_directory(parent_of(folder));
    if (done) return report;
    remove_all(folder);
    return std::unexpected(done.error());
}

base::Result<BackupReport> restore_account(const std::shared_ptr<Shared>& shared, const mail::AccountName& name,
                                           const std::string& folder, ModSeq last) {
    auto& disk = shared->disk;
    if (!folder.starts_with('/')) return refuse(EINVAL, folder + " is no absolute path");
    const bool maildir = shared->config.backend == BackendKind::maildir;
    if (!disk.status(folder + "/index.sqlite") || !disk.status(folder + "/bodies") ||
        static_cast<bool>(disk.status(folder + "/Maildir")) != maildir)
        return refuse(ENOENT, folder + " is no backup of an account of this kind of store");
    if (auto made = make_account_folder(disk, shared->config.directory, name); !made)
        return std::unexpected(made.error());
    const auto number = std::to_string(shared->next_staged.fetch_add(1));
    const auto fresh = shared->staging() + "/restored-" + number;
    const auto place = shared->folder(name);
    std::string old;  // where what it had is at last
    BackupReport report;
    const auto build = [&]() -> base::Result<void> {
        if (auto done = disk.make_directory(fresh, 0700); !done) return done;
        {
            const auto backup = base::sqlite::Database::open(folder + "/index.sqlite", {.immutable = true});
            if (!backup) return std::unexpected(backup.error());
            if (auto done = (*backup)->copy_to(fresh + "/index.sqlite"); !done) return done;
        }
        if (auto done = take_files(disk, folder + "/bodies", fresh + "/bodies", report); !done) return done;
        if (maildir) {
            if (auto done = take_files(disk, folder + "/Maildir", fresh + "/Maildir", report); !done) return done;
        }
        const auto messages = make_it_an_old_copy(*shared, name, fresh + "/index.sqlite", last);
        if (!messages) return std::unexpected(messages.error());
        report.messages = *messages;
        if (disk.status(place + "/name")) {
            if (auto done = link_or_copy(place + "/name", fresh + "/name"); !done) return done;
        }
        if (auto done = disk.sync_directory(fresh); !done) return done;
        auto left = put_account_in_place(disk, shared->config.directory, name, fresh);
        if (!left) return std::unexpected(left.error());
        old = *std::move(left);
        return {};
    };
    const auto built = build();
    if (!built) {
        remove_all(fresh);
        return std::unexpected(built.error());
    }
    remove_all(old);
    return report;
}

}  // namespace posthorn::store
