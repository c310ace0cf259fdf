// Hears what other programs do in the Maildirs of open accounts (inotify(7)), on a thread of its own that only gathers:
// what it means is found out in the account's turn. Any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/fd.hpp"
#include "base/result.hpp"
#include "mail/account.hpp"

namespace posthorn::store {

class MaildirWatch {
public:
    struct Event {
        std::string directory;  // as it was given to watch()
        std::string name;       // of what came or went there
        bool came = false;
        auto operator<=>(const Event&) const = default;
    };
    struct Events {
        std::vector<Event> list{};
        bool lost = false;  // there were more than could be kept: anything may have happened
    };

    // `tell`: there is something to take() of this account where there was nothing; on the thread.
    static base::Result<std::unique_ptr<MaildirWatch>> start(std::function<void(const mail::AccountName&)> tell);
    ~MaildirWatch();
    MaildirWatch(const MaildirWatch&) = delete;
    MaildirWatch& operator=(const MaildirWatch&) = delete;

    // A directory is known by its file: one that was renamed is known by the name it was last given with. False: the
    // kernel watches no more.
    bool watch(const mail::AccountName& account, const std::string& directory);
    void forget(const mail::AccountName& account);  // all of it
    Events take(const mail::AccountName& account);
    // Nothing is told any more once this has returned. Once; by who ends it.
    void stop();

private:
    struct Watched {
        mail::AccountName account;
        std::string directory;
    };
    MaildirWatch(base::Fd inotify, base::Fd stop, std::function<void(const mail::AccountName&)> tell);
    void run();
    void read_all();

    const base::Fd inotify_;
    const base::Fd stop_;
    const std::function<void(const mail::AccountName&)> tell_;
    std::mutex mutex_;
    std::unordered_map<int, Watched> watched_;
    std::unordered_map<mail::AccountName, std::set<int>> of_account_;
    std::unordered_map<mail::AccountName, Events> waiting_;
    std::thread thread_;
};

}  // namespace posthorn::store
