#include <algorithm>
#include <charconv>
#include <map>

#include "base/log.hpp"
#include "store/impl/bodies.hpp"
#include "store/impl/keeping.hpp"
#include "store/impl/search.hpp"

namespace posthorn::store {

using base::sqlite::Transaction;

namespace {

constexpr std::size_t kSnapshots = 2;
constexpr std::string_view kSuffix = ".sqlite";

// A range of a file of ours.
class Range final : public Source {
public:
    Range(const base::File& file, const Place& place) : file_(file), place_(place) {}
    std::uint64_t size() const override { return place_.size; }
    base::Result<std::size_t> read_at(std::uint64_t offset, std::span<char> into) const override {
        return file_.read(place_.offset + offset,
                          into.first(std::min<std::uint64_t>(into.size(), place_.size - offset)));
    }

private:
    const base::File& file_;
    const Place& place_;
};

void bury(OpenAccount& open, GarbageReport& report) {
    auto& index = open.index();
    const auto& config = open.shared().config;
    const auto before = index.state();
    const auto since =
        open.shared().clock.wall() - std::chrono::duration_cast<std::chrono::milliseconds>(config.undelete_grace);
    std::vector<Located> gone;
    {
        Transaction all(index.db());
        gone = index.bury(since, config.garbage_batch);
        index.write_counters();
        if (!all.commit()) {
            index.abandon(before);
            return;
        }
    }
    report.buried = gone.size();
    report.more = gone.size() == config.garbage_batch;
    forget_texts(open, gone);
    // The row goes first: what a crash leaves here is an orphan, which repair finds.
    for (const auto& email : gone) {
        const auto removed = open.bodies().remove(email.id, email.place);
        if (removed && email.place.pack == 0) report.octets_freed += email.place.size;
    }
}

void trim(OpenAccount& open) {
    auto& index = open.index();
    const auto& config = open.shared().config;
    const auto before = index.state();
    Transaction all(index.db());
    index.trim_log(
        open.shared().clock.wall() - std::chrono::duration_cast<std::chrono::milliseconds>(config.change_log_age),
        config.change_log_rows);
    index.forget_deliveries(base::from_ms(open.shared().forget_before.load()));
    index.write_counters();
    if (!all.commit()) index.abandon(before);
}

}  // namespace

// Its living bodies go to the end of the newest pack; durable there and pointed to, before it goes.
base::Result<void> Bodies::rewrite(std::uint64_t pack) {
    auto& index = *index_;
    std::vector<Located> fresh;
    const auto living = index.in_pack(pack);
    if (auto good = index.db().take_error(); !good) return good;
    for (const auto& email : living) {
        auto file = open(email.id, email.place);
        if (!file) return std::unexpected(file.error());
        const auto good = intact(**file, email.place);
        if (!good) return std::unexpected(good.error());
        if (!*good)
            return base::fail(base::ErrorKind::temporary, "a damaged body keeps a pack from being rewritten");
        auto note = note_of(**file, email.place).value_or(BodyNote());
        note.email = email.id;
        const auto place = add(note, {}, Range(**file, email.place));
        if (!place) return std::unexpected(place.error());
        fresh.push_back({email.id, *place});
    }
    if (auto synced = sync(); !synced) return synced;
    Transaction all(index.db());
    for (const auto& email : fresh) index.moved(email.id, email.place);
    if (auto done = all.commit(); !done) return done;
    return remove_pack(pack);
}

// What the index cannot say is not taken for dead: an error ends the step.
base::Result<void> Bodies::sweep(GarbageReport& report) {
    const auto sizes = packs();
    if (!sizes) return std::unexpected(sizes.error());
    std::map<std::uint64_t, std::uint64_t> live;
    for (const auto& [number, octets] : index_->packs()) live[number] = octets;
    if (auto good = index_->db().take_error(); !good) return good;
    for (const auto& [number, size] : *sizes) {
        if (number == current_pack() || live[number] * 2 >= size) continue;
        if (report.packs_removed > 0) {
            report.more = true;
            return {};
        }
        const auto done = live[number] == 0 ? remove_pack(number) : rewrite(number);
        if (!done) {
            drop();
            base::log::warning(
                "store.pack_kept",
                {{"account", index_->account().text()}, {"pack", number}, {"error", done.error().log_text}});
            continue;
        }
        ++report.packs_removed;
        report.octets_freed += size - live[number];
    }
    return {};
}

base::Result<GarbageReport> collect_garbage(OpenAccount& open) {
    GarbageReport report;
    bury(open, report);
    if (auto swept = open.bodies().sweep(report); !swept) return std::unexpected(swept.error());
    trim(open);
    if (auto done = snapshot_index(open); !done)
        base::log::warning("store.snapshot_failed",
                           {{"account", open.index().account().text()}, {"error", done.error().log_text}});
    return report;
}

base::Result<void> snapshot_index(OpenAccount& open) {
    auto& shared = open.shared();
    const auto interval = shared.config.snapshot_interval;
    if (interval == base::Duration::zero()) return {};
    const auto folder = open.folder() + "/snapshots";
    if (auto made = shared.disk.make_directory(folder, 0700); !made) return made;
    auto names = shared.disk.list(folder);
    if (!names) return std::unexpected(names.error());
    std::erase_if(*names, [](const auto& name) { return !name.ends_with(kSuffix); });
    const auto now = base::to_ms(shared.clock.wall());
    if (!names->empty()) {
        std::int64_t last = 0;
        const auto& name = names->back();
        std::from_chars(name.data(), name.data() + name.size(), last);
        if (now - last < std::chrono::duration_cast<std::chrono::milliseconds>(interval).count()) return {};
    }
    const auto fresh = folder + "/new";
    (void)shared.disk.unlink(fresh);
    if (auto done = open.index().db().copy_to(fresh); !done) return done;
    if (auto done = shared.disk.rename(fresh, folder + '/' + std::to_string(now) + std::string(kSuffix)); !done)
        return done;
    if (auto done = shared.disk.sync_directory(folder); !done) return done;
    while (names->size() >= kSnapshots) {
        (void)shared.disk.unlink(folder + '/' + names->front());
        names->erase(names->begin());
    }
    return {};
}

}  // namespace posthorn::store
