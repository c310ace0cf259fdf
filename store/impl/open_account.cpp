#include "store/impl/open_account.hpp"

#include <algorithm>

#include "base/crc32c.hpp"
#include "base/log.hpp"
#include "store/impl/bodies.hpp"
#include "store/impl/layout.hpp"
#include "store/impl/maildir.hpp"
#include "store/impl/refuse.hpp"

namespace posthorn::store {

namespace {

class StoredBody final : public Body {
public:
    StoredBody(std::shared_ptr<Shared> shared, std::shared_ptr<base::File> file, Place place)
        : shared_(std::move(shared)), file_(std::move(file)), place_(place) {}

    base::Result<void> load() {
        std::string all(place_.size, '\0');
        const auto got = file_->read(place_.offset, all);
        if (!got) return std::unexpected(got.error());
        if (*got != all.size() || base::crc32c(0, all) != place_.crc)
            return damaged("a body in " + std::to_string(place_.pack) + " is not what was stored");
        memory_ = std::move(all);
        return {};
    }

    std::uint64_t size() const override { return place_.size; }
    std::optional<std::string_view> memory() const override { return memory_; }

    net::Task<base::Result<std::string>> read(net::Loop& loop, std::uint64_t offset, std::size_t count) override {
        if (offset >= place_.size) co_return std::string();
        const auto want = std::min<std::uint64_t>({count, kPiece, place_.size - offset});
        if (memory_) co_return memory_->substr(offset, want);
        auto job = [file = file_, at = place_.offset + offset, want] { return piece(*file, at, want); };
        base::Result<std::string> got = co_await net::offload(loop, shared_->pool, std::move(job));
        co_return got;
    }

private:
    static base::Result<std::string> piece(const base::File& file, std::uint64_t at, std::size_t want) {
        std::string out(want, '\0');
        const auto got = file.read(at, out);
        if (!got) return std::unexpected(got.error());
        if (*got != want) return damaged("a body has become shorter");
        return out;
    }

    std::shared_ptr<Shared> shared_;
    std::shared_ptr<base::File> file_;
    Place place_;
    std::optional<std::string> memory_;
};

}  // namespace

base::Result<std::unique_ptr<BodyStore>> open_bodies(Shared& shared, const mail::AccountName& name) {
    if (shared.config.backend == BackendKind::maildir) {
        auto maildir = Maildir::open(shared, name);
        if (!maildir) return std::unexpected(maildir.error());
        return *std::move(maildir);
    }
    auto packs = Bodies::open(shared.disk, shared.folder(name) + "/bodies", shared.config.pack_size);
    if (!packs) return std::unexpected(packs.error());
    return *std::move(packs);
}

base::Result<std::unique_ptr<OpenAccount>> OpenAccount::open(std::shared_ptr<Shared> shared,
                                                             const mail::AccountName& name, ModSeq last) {
    auto& disk = shared->disk;
    auto folder = shared->folder(name);
    const auto made = make_account_folder(disk, shared->config.directory, name);
    if (!made) return std::unexpected(made.error());
    std::unique_ptr<OpenAccount> out(new OpenAccount(shared, folder));
    auto bodies = open_bodies(*shared, name);
    if (!bodies) return std::unexpected(bodies.error());
    out->bodies_ = *std::move(bodies);
    auto mark = shared->high_water != nullptr ? shared->high_water->get(name) : Mark{};
    if (!mark) return std::unexpected(mark.error());
    const bool fresh = !disk.status(folder + "/index.sqlite");
    const auto may_begin = out->bodies_->may_begin();
    if (!may_begin) return std::unexpected(may_begin.error());
    if (fresh && !*may_begin) {
        return damaged(folder + " has mail but no index.sqlite: mailctl store repair " + name.text() +
                       " makes it again");
    }
    auto index = Index::open(folder + "/index.sqlite", name, shared->clock, *may_begin);
    if (!index) return std::unexpected(index.error());
    out->index_ = *std::move(index);
    if (fresh) {
        if (auto done = disk.sync_directory(folder); !done) return std::unexpected(done.error());
    }
    if (auto done = out->bodies_->attach(*out->index_); !done) return std::unexpected(done.error());
    if (!fresh && out->index_->behind(*mark, last)) {
        if (auto done = out->reconcile(); !done) return std::unexpected(done.error());
    }
    if (auto done = out->index_->put_into_order(*mark, last, fresh); !done) return std::unexpected(done.error());
    out->bodies_->committed();
    return out;
}

// An older copy was put back: mail that came after it was taken is on the disk and in no row. It is told from what is dead
// by its ids, which must not be given again before.
base::Result<void> OpenAccount::reconcile() {
    RepairReport report;
    const auto before = index_->state();
    base::sqlite::Transaction all(index_->db());
    auto done = bodies_->reconcile(report);
    if (done) {
        index_->write_counters();
        done = all.commit();
    }
    if (!done) {
        index_->abandon(before);
        return done;
    }
    (void)index_->take_touched();
    base::log::warning("store.reconciled",
                       {{"account", index_->account().text()},
                        {"recovered", report.recovered},
                        {"msg", "the index is an older copy: mail newer than it is in its mailboxes again"}});
    return {};
}

base::Result<void> OpenAccount::reserve_ids(bool bulk, bool fresh) {
    if (shared_->high_water == nullptr) return {};
    const auto all = bulk ? index_->all_memberships() + index_->counters().grave_messages : 0;
    const auto mark = index_->reserve(all, fresh);
    if (!mark) return std::unexpected(mark.error());
    if (!*mark) return {};
    return shared_->high_water->raise(index_->account(), **mark);
}

base::Result<Added> OpenAccount::add(MailboxId mailbox, const NewMessage& message, const Staged* staged,
                                     const base::Ulid& delivery) {
    const auto flags = index_->bits(message.system, message.keywords, true);
    if (!flags) return std::unexpected(flags.error());
    const BodyNote note{index_->new_id(), mailbox, message.received, delivery};
    const auto place = staged != nullptr ? bodies_->adopt(note, staged->path(), staged->size(), staged->crc())
                                         : bodies_->add(note, message.prefix, *message.body);
    if (!place) return std::unexpected(place.error());
    if (staged != nullptr) staged->taken();
    return index_->add(mailbox, {note.email, *place, message.received, message.summary.get(), &message.thread_keys},
                       *flags);
}

base::Result<std::shared_ptr<Body>> OpenAccount::open_body(EmailId email) {
    const auto found = index_->locate(email);
    if (!found) return no_email();
    auto file = bodies_->open(email, found->place);
    if (!file)
        return std::unexpected(
            file.error().code == ENOENT
                ? damaged("the body of email " + std::to_string(email) + " is missing in " + folder_).error()
                : file.error());
    auto body = std::make_shared<StoredBody>(shared_, *std::move(file), found->place);
    if (found->place.size <= kPiece) {
        if (auto loaded = body->load(); !loaded) return std::unexpected(loaded.error());
    }
    return body;
}

}  // namespace posthorn::store
