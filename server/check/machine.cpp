// The machine: disk, clock, who may read what.
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/timex.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/units.hpp"
#include "server/check/checks.hpp"

namespace posthorn::server {
namespace {

using namespace std::chrono_literals;

constexpr int kWrites = 11;
constexpr std::size_t kWriteSize = 4096;
constexpr auto kSlow = 50ms;  // a durable write: some twenty messages a second from a lone sender
constexpr auto kOff = 10s;
constexpr std::uint64_t kFewInodes = 1000;

double milliseconds(base::Duration d) { return std::chrono::duration<double, std::milli>(d).count(); }

std::string gibibytes(std::uint64_t octets) {
    return fmt::format("{:.1f} GiB", static_cast<double>(octets) / static_cast<double>(std::uint64_t{1} << 30U));
}

void look_at_space(Findings& out, const Config& config, const std::string& path, base::Disk& disk) {
    const auto space = disk.space(path);
    if (!space) {
        out.wrong(space.error().log_text, "make the folder readable for the server");
        return;
    }
    const auto reserve = config.spool.reserve;
    const auto what = fmt::format("{} has {} free of {}; reserve {}", path, gibibytes(space->free),
                                  gibibytes(space->total), gibibytes(reserve));
    if (space->free < reserve)
        out.wrong(what, "make room: mail is refused with 452 4.3.1 until more than spool.reserve is free");
    else if (space->free - reserve < reserve)
        out.warning(what, "make room before it is used up");
    else
        out.ok(what);
    if (space->inodes_free < kFewInodes && space->total != 0)
        out.warning(fmt::format("{} has {} inodes free", path, space->inodes_free), "remove small files");
}

void look_at_persistence(Findings& out, const std::string& path, base::Disk& disk) {
    const auto kind = disk.persistence(path);
    if (!kind) return out.warning(kind.error().log_text, "look at what is mounted there");
    const char* name = *kind == base::Persistence::tmpfs   ? "tmpfs"
                       : *kind == base::Persistence::ramfs ? "ramfs"
                                                           : "a volatile overlay";
    if (*kind == base::Persistence::durable) return;
    out.wrong(
        fmt::format("{} is {}: it keeps nothing over a power loss, and the server refuses to start", path, name),
        "put spool_dir on a real disk, or start with --ephemeral where mail may be lost");
}

// The middle one of some durable writes.
base::Result<base::Duration> durable_write(base::Disk& disk, const base::Clock& clock, const std::string& folder) {
    const auto path = folder + "/.check";
    (void)disk.unlink(path);
    auto file = disk.open(path, base::OpenMode::create);
    if (!file) return std::unexpected(file.error());
    const std::string page(kWriteSize, 'x');
    std::vector<base::Duration> took;
    base::Result<void> done;
    for (int i = 0; i < kWrites && done; ++i) {
        const auto begun = clock.steady();
        done = (*file)->write(static_cast<std::uint64_t>(i) * kWriteSize, page);
        if (done) done = (*file)->sync();
        took.push_back(clock.steady() - begun);
    }
    (void)disk.unlink(path);
    if (!done) return std::unexpected(done.error());
    std::ranges::sort(took);
    return took[took.size() / 2];
}

void look_at_key(Findings& out, const std::string& path) {
    struct stat info{};
    if (::stat(path.c_str(), &info) != 0) {
        out.wrong(base::from_errno("tls.key " + path, errno).log_text, "put the key there");
    } else if ((info.st_mode & S_IRWXO) != 0) {
        out.wrong(fmt::format("tls.key {} may be read by everybody", path), "chmod o= " + path);
    } else {
        out.ok(fmt::format("tls.key {} is private", path));
    }
}

void look_at_folder(Findings& out, const std::string& path, unsigned uid, bool private_one) {
    struct stat info{};
    if (::stat(path.c_str(), &info) != 0) {
        const int code = errno;
        if (code == ENOENT) return out.ok(path + " is not there yet: the server makes it at its start");
        return out.wrong(base::from_errno(path, code).log_text, "let the server reach it");
    }
    if (!S_ISDIR(info.st_mode)) return out.wrong(path + " is no folder", "move what is there away");
    if (info.st_uid != uid)
        return out.wrong(fmt::format("{} belongs to {}, not to the server's user {}", path, user_name(info.st_uid),
                                     user_name(uid)),
                         fmt::format("chown -R {} {}", user_name(uid), path));
    if ((info.st_mode & S_IWOTH) != 0 && (info.st_mode & S_ISVTX) == 0)
        return out.wrong(path + " may be written by everybody", "chmod o-w " + path);
    if (private_one && (info.st_mode & S_IROTH) != 0)
        return out.warning(path + " may be read by everybody", "chmod o= " + path);
    out.ok(fmt::format("{} belongs to {}", path, user_name(uid)));
}

}  // namespace

std::vector<Finding> check_disk(const Config& config, base::Disk& disk, const base::Clock& clock) {
    Findings out("disk");
    const auto& spool = config.server.spool_dir;
    if (const auto there = disk.list(spool); !there && there.error().code == ENOENT) {
        out.ok(spool + " is not there yet: the server makes it at its start");
        return out.take();
    }
    look_at_space(out, config, spool, disk);
    look_at_persistence(out, spool, disk);
    const auto took = durable_write(disk, clock, spool);
    if (!took) {
        out.wrong(
            "a durable write to " + spool + " fails: " + took.error().log_text,
            "run the check as root or as the server's user; else look at the disk and at what is mounted there");
    } else {
        const auto what = fmt::format("a durable write of 4 KiB to {} takes {:.2f} ms", spool, milliseconds(*took));
        if (*took > kSlow)
            out.warning(what,
                        "each message waits so long for its 250: look for a dying disk, or one that is shared");
        else
            out.ok(what);
    }
    return out.take();
}

ClockState clock_state() {
    ClockState out{.now = base::SystemClock().wall()};
    timex state{};
    const int code = ::adjtimex(&state);
    if (code < 0) return out;
    out.known = true;
    out.synchronised = code != TIME_ERROR && (state.status & STA_UNSYNC) == 0;
    out.error = std::chrono::microseconds(state.maxerror);
    return out;
}

std::vector<Finding> check_clock(const ClockState& state) {
    Findings out("clock");
    const auto now = base::format_time(state.now);
    constexpr base::WallTime kNotBefore{std::chrono::sys_days{std::chrono::year{2026} / 1 / 1}};
    if (state.now < kNotBefore)
        out.wrong("it is " + now + ", which cannot be", "set the clock: certificates, retries and dates go by it");
    else if (!state.known)
        out.ok("it is " + now + "; whether it is synchronised is not told here");
    else if (!state.synchronised || state.error > kOff)
        out.warning("it is " + now + ", and nothing keeps the clock right",
                    "run chrony, ntpd or systemd-timesyncd (in a container: on its host)");
    else
        out.ok("it is " + now + ", synchronised");
    return out.take();
}

std::vector<Finding> check_permissions(const Config& config, const std::optional<Identity>& identity) {
    Findings out("permissions");
    const unsigned uid = identity ? identity->uid : ::geteuid();
    look_at_folder(out, config.server.data_dir, uid, true);
    look_at_folder(out, config.server.spool_dir, uid, false);
    look_at_folder(out, config.server.runtime_dir, uid, false);
    if (!config.tls.key.empty()) look_at_key(out, config.tls.key);
    const auto& rules = config.delivery.routing.rules;
    const bool secrets = !config.metrics.otlp.api_key.empty() ||
                         std::ranges::any_of(rules, [](const auto& r) { return !r.smarthost_password.empty(); });
    struct stat info{};
    if (!config.path.empty() && ::stat(config.path.c_str(), &info) == 0) {
        if ((info.st_mode & S_IWOTH) != 0)
            out.wrong(config.path + " may be written by everybody", "chmod o-w " + config.path);
        else if (secrets && (info.st_mode & S_IROTH) != 0)
            out.warning(config.path + " holds passwords and may be read by everybody",
                        "chmod o= " + config.path + ", or put them into files: { file = \"path\" }");
        else
            out.ok(config.path + " may not be written by everybody");
    }
    return out.take();
}

}  // namespace posthorn::server
