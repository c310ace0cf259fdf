// kill -9 in a storm on the store, and the account of it.
//
//   store_storm --kills N [--seed S] [--backend packs|maildir]
//                                         runs a child that delivers, deletes, copies and flags from many coroutines,
//                                         kills it at any moment, and looks what is there; N times on one store
//   store_storm --work FOLDER SEED BACKEND    that child; it never ends by itself
//
// The child writes down what it was told ("D": delivered) and, before it asks for it, what it takes away ("X"). What
// was told must be there, once, whole; what was not told may be there. UIDs are never given twice.
#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <set>
#include <sstream>
#include <thread>

#include "base/fd.hpp"
#include "base/random.hpp"
#include "base/sqlite/database.hpp"
#include "net/sim_loop.hpp"
#include "store/backend.hpp"

namespace {

using namespace posthorn;
using namespace posthorn::store;
using namespace std::chrono_literals;

constexpr int kDeliverers = 50;
const mail::AccountName kAccounts[] = {
    {"one", "storm.example"}, {"two", "storm.example"}, {"three", "storm.example"}};

class FileHighWater final : public HighWater {
public:
    explicit FileHighWater(const std::string& path) : db_(*base::sqlite::Database::open(path)) {
        db_->script("CREATE TABLE IF NOT EXISTS mark(account TEXT PRIMARY KEY, modseq, validity)");
    }
    base::Result<Mark> get(const mail::AccountName& account) override {
        const std::lock_guard lock(mutex_);
        auto row = db_->query("SELECT modseq, validity FROM mark WHERE account = ?", account.text());
        if (!row.next()) return Mark{};
        return Mark{row.uinteger(0), static_cast<UidValidity>(row.integer(1))};
    }
    base::Result<void> raise(const mail::AccountName& account, Mark mark) override {
        const std::lock_guard lock(mutex_);
        db_->run("INSERT OR REPLACE INTO mark VALUES(?, ?, ?)", account.text(), mark.modseq, mark.uid_validity);
        return db_->take_error();
    }

private:
    std::mutex mutex_;
    std::unique_ptr<base::sqlite::Database> db_;
};

Config config_of(const std::string& folder, const std::string& backend) {
    Config config;
    config.backend = backend == "maildir" ? BackendKind::maildir : BackendKind::packs;
    config.directory = folder + "/data";
    config.pack_limit = 4096;
    config.pack_size = 256 << 10;
    config.max_open_accounts = 2;
    config.undelete_grace = 0s;
    config.garbage_interval = 100ms;
    config.garbage_pause = 1ms;
    config.change_log_rows = 500;
    config.snapshot_interval = 1s;
    return config;
}

struct Storm {
    Storm(const std::string& folder, std::uint64_t seed)
        : high_water(folder + "/marks.sqlite"),
          random(seed),
          notes(::open((folder + "/notes").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)) {}

    void note(const std::string& line) {
        if (::write(notes.get(), line.data(), line.size()) != static_cast<ssize_t>(line.size())) std::abort();
    }
    std::uint64_t dice(std::uint64_t bound) {
        const std::lock_guard lock(mutex);
        return random.below(bound);
    }

    base::SystemClock clock;
    base::Metrics metrics;
    std::unique_ptr<base::Disk> disk = base::posix_disk();
    FileHighWater high_water;
    std::mutex mutex;
    base::SeededRandom random;
    base::Fd notes;
    std::unique_ptr<Backend> store;
};

// Three in four go to the first account.
const mail::AccountName& any_account(Storm& storm) {
    const auto n = storm.dice(12);
    return kAccounts[n < 9 ? 0 : n < 11 ? 1 : 2];
}

base::Ulid new_id(Storm& storm) {
    base::Ulid id;
    base::secure_random(id.bytes.data(), id.bytes.size());
    const auto ms = static_cast<std::uint64_t>(base::to_ms(storm.clock.wall()));
    for (std::size_t i = 0; i < 6; ++i) id.bytes[i] = static_cast<std::uint8_t>(ms >> (40 - 8 * i));
    return id;
}

net::Task<> deliver(Storm& storm, net::Loop& loop) {
    while (true) {
        const auto account = any_account(storm);
        Delivery delivery;
        delivery.id = new_id(storm);
        const auto size = storm.dice(20) == 0 ? storm.dice(100'000) : storm.dice(3000);
        delivery.message.body = std::make_shared<MemorySource>(
            "id: " + delivery.id.to_string() + "\r\n" + std::string(size, static_cast<char>('a' + size % 26)));
        delivery.message.received = storm.clock.wall();
        const auto added = co_await storm.store->deliver(loop, account, delivery);
        if (!added) continue;
        storm.note("D " + account.local + ' ' + delivery.id.to_string() + ' ' + std::to_string(added->uid) + ' ' +
                   std::to_string(added->uid_validity) + '\n');
        if (storm.dice(10) != 0) continue;
        const auto again = co_await storm.store->deliver(loop, account, std::move(delivery));
        if (again && !again->duplicate) storm.note("W delivered twice\n");
    }
}

net::Task<> disturb(Storm& storm, net::Loop& loop) {
    while (true) {
        const auto account = any_account(storm);
        const auto inbox = co_await storm.store->mailbox(loop, account, "INBOX");
        const auto archive = co_await storm.store->mailbox(loop, account, "Archive");
        if (!inbox || !archive) continue;
        const auto snapshot = co_await storm.store->snapshot(loop, account, inbox->id);
        if (!snapshot) continue;
        UidSet some;
        for (const auto& entry : snapshot->entries) {
            if (storm.dice(10) == 0) some.add(entry.uid);
        }
        switch (storm.dice(4)) {
            case 0: {
                storm.note("X " + account.local + ' ' + std::to_string(inbox->uid_validity) + ' ' + some.text() +
                           '\n');
                (void)co_await storm.store->expunge(loop, account, inbox->scope(), some, false);
                break;
            }
            case 1: (void)co_await storm.store->copy(loop, account, inbox->scope(), some, archive->id); break;
            case 2: {
                FlagChange change{.how = FlagChange::How::add, .system = flag::seen};
                (void)co_await storm.store->store_flags(loop, account, inbox->scope(), some, std::move(change));
                break;
            }
            case 3: {
                for (const auto& entry : snapshot->entries) {
                    if (!some.contains(entry.uid)) continue;
                    const auto body = co_await storm.store->open(loop, account, entry.email);
                    if (!body && !is_missing(body.error())) storm.note("W " + body.error().log_text + '\n');
                }
                break;
            }
        }
    }
}

int work(const std::string& folder, std::uint64_t seed, const std::string& backend) {
    Storm storm(folder, seed);
    const auto loops = net::make_loops(2);
    const auto pool = net::make_pool("store", 4, 10'000);
    auto opened =
        open_store(config_of(folder, backend), {*storm.disk, *pool, storm.clock, storm.metrics, &storm.high_water});
    if (!opened) {
        std::fprintf(stderr, "%s\n", opened.error().log_text.c_str());
        return 1;
    }
    storm.store = *std::move(opened);
    for (std::size_t i = 0; i < kDeliverers; ++i)
        net::spawn(loops->at(i % 2), "deliver", deliver(storm, loops->at(i % 2)));
    for (std::size_t i = 0; i < 6; ++i) net::spawn(loops->at(i % 2), "disturb", disturb(storm, loops->at(i % 2)));
    storm.store->start(loops->at(0));
    loops->start();
    while (true) ::pause();
}

// ---- the account of it

struct Told {
    std::map<std::string, std::string> delivered;  // id, to "validity uid"
    std::map<std::string, UidSet> taken;           // by validity
    std::vector<std::string> wrong;
};

std::map<std::string, Told> read_notes(const std::string& folder, std::vector<std::string>& wrong) {
    std::map<std::string, Told> out;
    std::ifstream file(folder + "/notes");
    std::set<std::string> given;
    for (std::string line; std::getline(file, line);) {
        std::istringstream words(line);
        std::string kind;
        std::string account;
        words >> kind;
        if (kind == "W") {
            wrong.push_back(line);
            continue;
        }
        words >> account;
        if (kind == "D") {
            std::string id;
            std::string uid;
            std::string validity;
            words >> id >> uid >> validity;
            out[account].delivered[id] = validity + ' ' + uid;
            if (!given.insert(account + ' ' + validity + ' ' + uid).second)
                wrong.push_back("UID given twice: " + line);
        } else if (kind == "X") {
            std::string validity;
            std::string uids;
            words >> validity >> uids;
            if (const auto set = UidSet::parse(uids)) out[account].taken[validity].add(*set);
        }
    }
    return out;
}

template <class T>
net::Task<> keep(net::Task<base::Result<T>> task, std::optional<base::Result<T>>& result) {
    base::Result<T> got = co_await std::move(task);
    result.emplace(std::move(got));
}

class Look {
public:
    Look(const std::string& folder, const std::string& backend) : high_water_(folder + "/marks.sqlite") {
        auto opened = open_store(config_of(folder, backend), {*disk_, *pool_, clock_, metrics_, &high_water_});
        if (!opened) throw std::runtime_error(opened.error().log_text);
        store_ = *std::move(opened);
    }
    ~Look() {
        loops_.run_until_idle();
        store_.reset();
    }
    template <class T>
    T get(net::Task<base::Result<T>> task) {
        std::optional<base::Result<T>> result;
        net::spawn(loops_.at(0), "look", keep(std::move(task), result));
        loops_.run_until([&] { return result.has_value(); }, 1h);
        if (!result || !*result) throw std::runtime_error(result ? result->error().log_text : "no answer");
        return **std::move(result);
    }

    // What is wrong with an account.
    void at(const mail::AccountName& account, const Told& told, std::vector<std::string>& wrong) {
        auto& loop = loops_.at(0);
        const auto report = get(store_->check(loop, account, true));
        // Large bodies whose rows were not committed are what a kill may leave.
        if (report.findings != report.orphans) {
            for (const auto& text : report.texts) wrong.push_back(account.local + ": " + text);
        }
        const auto inbox = get(store_->mailbox(loop, account, "INBOX"));
        std::map<std::string, int> found;
        std::set<EmailId> seen;
        for (const auto& box : get(store_->mailboxes(loop, account))) {
            for (const auto& entry : get(store_->snapshot(loop, account, box.id)).entries) {
                if (!seen.insert(entry.email).second) continue;
                const auto body = get(store_->open(loop, account, entry.email));
                ++found[get(body->read(loop, 0, 30)).substr(4, 26)];
            }
        }
        for (const auto& [id, count] : found) {
            if (count != 1)
                wrong.push_back(account.local + ": " + id + " is there " + std::to_string(count) + " times");
        }
        for (const auto& [id, where] : told.delivered) {
            if (found.contains(id)) continue;
            const auto space = where.find(' ');
            const auto taken = told.taken.find(where.substr(0, space));
            if (taken != told.taken.end() && taken->second.contains(std::stoull(where.substr(space + 1)))) continue;
            wrong.push_back(account.local + ": " + id + " was told and is not there");
        }
        if (std::to_string(inbox.uid_validity) != validity_of(told) && !told.delivered.empty())
            wrong.push_back(account.local + ": UIDVALIDITY changed");
        messages += seen.size();
    }
    std::size_t messages = 0;

private:
    static std::string validity_of(const Told& told) {
        const auto& where = told.delivered.begin()->second;
        return where.substr(0, where.find(' '));
    }

    base::SystemClock clock_;
    base::Metrics metrics_;
    std::unique_ptr<base::Disk> disk_ = base::posix_disk();
    FileHighWater high_water_;
    net::SimLoops loops_;
    std::unique_ptr<net::Pool> pool_ = loops_.make_pool("store", 1000);
    std::unique_ptr<Backend> store_;
};

pid_t start(const std::string& folder, std::uint64_t seed, const std::string& backend) {
    const auto text = std::to_string(seed);
    const pid_t child = ::fork();
    if (child != 0) return child;
    ::execl("/proc/self/exe", "store_storm", "--work", folder.c_str(), text.c_str(), backend.c_str(), nullptr);
    std::_Exit(127);
}

int storm(int kills, std::uint64_t seed, const std::string& backend) {
    char name[] = "/var/tmp/store-storm-XXXXXX";
    const std::string folder = ::mkdtemp(name);
    base::SeededRandom random(seed);
    std::vector<std::string> wrong;
    std::size_t told = 0;
    std::size_t messages = 0;
    int round = 0;
    for (; round < kills && wrong.empty(); ++round) {
        const pid_t child = start(folder, seed + static_cast<std::uint64_t>(round), backend);
        // Until it was told something more: a machine under load may take its time to get there.
        const auto size = [&] {
            std::error_code none;
            const auto now = std::filesystem::file_size(folder + "/notes", none);
            return none ? 0 : now;
        };
        const auto before = size();
        for (int i = 0; i < 3000 && size() <= before + 2000; ++i) std::this_thread::sleep_for(10ms);
        std::this_thread::sleep_for(std::chrono::milliseconds(random.below(300)));
        ::kill(child, SIGKILL);
        int status = 0;
        ::waitpid(child, &status, 0);
        if (!WIFSIGNALED(status)) wrong.push_back("the child ended by itself");
        const auto notes = read_notes(folder, wrong);
        Look look(folder, backend);
        for (const auto& account : kAccounts) {
            const auto found = notes.find(account.local);
            if (found != notes.end()) look.at(account, found->second, wrong);
        }
        messages = look.messages;
        told = 0;
        for (const auto& [account, all] : notes) told += all.delivered.size();
    }
    for (const auto& text : wrong) std::printf("%s\n", text.c_str());
    std::printf("kills: %d, deliveries told: %zu, messages left: %zu\n", round, told, messages);
    std::printf("tests: %d passed, %d failed\n", wrong.empty() ? 1 : 0, wrong.empty() ? 0 : 1);
    if (wrong.empty())
        std::filesystem::remove_all(folder);
    else
        std::printf("left: %s (seed %llu)\n", folder.c_str(), static_cast<unsigned long long>(seed));
    return wrong.empty() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    const std::vector<std::string> words(argv + 1, argv + argc);
    if (words.size() == 4 && words[0] == "--work") return work(words[1], std::stoull(words[2]), words[3]);
    int kills = 10;
    std::uint64_t seed = 1;
    std::string backend = "packs";
    for (std::size_t i = 0; i + 1 < words.size(); i += 2) {
        if (words[i] == "--kills") kills = std::stoi(words[i + 1]);
        if (words[i] == "--seed") seed = std::stoull(words[i + 1]);
        if (words[i] == "--backend") backend = words[i + 1];
    }
    try {
        return storm(kills, seed, backend);
    } catch (const std::exception& error) {
        std::printf("%s\ntests: 0 passed, 1 failed\n", error.what());
        return 1;
    }
}
