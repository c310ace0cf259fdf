#include "store/impl/maildir_watch.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace posthorn::store {

namespace {

constexpr std::uint32_t kCame = IN_CREATE | IN_MOVED_TO;
constexpr std::uint32_t kWent = IN_DELETE | IN_MOVED_FROM;
constexpr std::size_t kMaxWaiting = 10'000;  // of one account; more is: anything may have happened

}  // namespace

base::Result<std::unique_ptr<MaildirWatch>> MaildirWatch::start(
    std::function<void(const mail::AccountName&)> tell) {
    base::Fd inotify(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    if (!inotify) return base::fail_errno("inotify_init1", errno);
    base::Fd stop(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    if (!stop) return base::fail_errno("eventfd", errno);
    return std::unique_ptr<MaildirWatch>(new MaildirWatch(std::move(inotify), std::move(stop), std::move(tell)));
}

MaildirWatch::MaildirWatch(base::Fd inotify, base::Fd stop, std::function<void(const mail::AccountName&)> tell)
    : inotify_(std::move(inotify)), stop_(std::move(stop)), tell_(std::move(tell)), thread_([this] { run(); }) {}

MaildirWatch::~MaildirWatch() { stop(); }

void MaildirWatch::stop() {
    if (!thread_.joinable()) return;
    const std::uint64_t one = 1;
    (void)!::write(stop_.get(), &one, sizeof(one));
    thread_.join();
}

bool MaildirWatch::watch(const mail::AccountName& account, const std::string& directory) {
    const std::lock_guard lock(mutex_);
    const int number =
        ::inotify_add_watch(inotify_.get(), directory.c_str(), kCame | kWent | IN_ONLYDIR | IN_DONT_FOLLOW);
    if (number < 0) return errno == ENOENT || errno == ENOTDIR;  // what has gone meanwhile is nothing to hear of
    watched_.insert_or_assign(number, Watched{account, directory});
    of_account_[account].insert(number);
    return true;
}

void MaildirWatch::forget(const mail::AccountName& account) {
    const std::lock_guard lock(mutex_);
    const auto found = of_account_.find(account);
    if (found != of_account_.end()) {
        for (const int number : found->second) {
            (void)::inotify_rm_watch(inotify_.get(), number);
            watched_.erase(number);
        }
        of_account_.erase(found);
    }
    waiting_.erase(account);
}

MaildirWatch::Events MaildirWatch::take(const mail::AccountName& account) {
    const std::lock_guard lock(mutex_);
    const auto found = waiting_.find(account);
    if (found == waiting_.end()) return {};
    auto out = std::move(found->second);
    waiting_.erase(found);
    return out;
}

void MaildirWatch::run() {
    while (true) {
        std::array<pollfd, 2> wait{pollfd{inotify_.get(), POLLIN, 0}, pollfd{stop_.get(), POLLIN, 0}};
        if (::poll(wait.data(), wait.size(), -1) < 0 && errno != EINTR) return;
        if (wait[1].revents != 0) return;
        if (wait[0].revents != 0) read_all();
    }
}

void MaildirWatch::read_all() {
    alignas(inotify_event) std::array<char, 16'384> buffer;
    const auto got = ::read(inotify_.get(), buffer.data(), buffer.size());
    if (got <= 0) return;
    std::set<mail::AccountName> fresh;
    {
        const std::lock_guard lock(mutex_);
        for (std::size_t at = 0; at < static_cast<std::size_t>(got);) {
            inotify_event event{};
            std::memcpy(&event, buffer.data() + at, sizeof(event));
            const char* name = buffer.data() + at + sizeof(event);
            at += sizeof(event) + event.len;
            if ((event.mask & IN_Q_OVERFLOW) != 0) {
                for (const auto& [account, numbers] : of_account_) {
                    if (!waiting_.contains(account)) fresh.insert(account);
                    waiting_[account].lost = true;
                }
                continue;
            }
            const auto found = watched_.find(event.wd);
            if (found == watched_.end()) continue;
            const auto& [account, directory] = found->second;
            if ((event.mask & IN_IGNORED) != 0) {  // the directory is gone
                of_account_[account].erase(event.wd);
                watched_.erase(found);
                continue;
            }
            if (!waiting_.contains(account)) fresh.insert(account);
            auto& waiting = waiting_[account];
            if (waiting.list.size() >= kMaxWaiting) {
                waiting.list.clear();
                waiting.lost = true;
            }
            if (!waiting.lost) waiting.list.push_back({directory, name, (event.mask & kCame) != 0});
        }
    }
    for (const auto& account : fresh) tell_(account);
}

}  // namespace posthorn::store
