#include "store/impl/staged.hpp"

#include <algorithm>

#include "base/crc32c.hpp"
#include "store/impl/refuse.hpp"

namespace posthorn::store {

base::Result<std::shared_ptr<Staged>> Staged::make(const std::shared_ptr<Shared>& shared) {
    auto path = shared->staging() + "/body-" + std::to_string(shared->next_staged.fetch_add(1));
    auto file = shared->disk.open(path, base::OpenMode::create);
    if (!file) return std::unexpected(file.error());
    return std::shared_ptr<Staged>(new Staged(shared, std::move(path), std::move(*file)));
}

Staged::~Staged() {
    if (!taken_) (void)shared_->disk.unlink(path_);
}

base::Result<void> Staged::write(std::string_view bytes) {
    if (auto done = file_->write(size_, bytes); !done) return done;
    size_ += bytes.size();
    crc_ = base::crc32c(crc_, bytes);
    return {};
}

base::Result<std::size_t> Staged::read_at(std::uint64_t offset, std::span<char> into) const {
    return file_->read(offset, into);
}

base::Result<std::shared_ptr<const Staged>> stage(const std::shared_ptr<Shared>& shared,
                                                  const NewMessage& message) {
    const auto& source = *message.body;
    if (message.prefix.size() + source.size() <= shared->config.pack_limit) return nullptr;
    if (message.prefix.empty()) {
        auto ready = std::dynamic_pointer_cast<const Staged>(message.body);
        if (ready && !ready->is_taken()) {  // it was uploaded, and not synced yet
            if (auto done = std::const_pointer_cast<Staged>(ready)->sync(); !done) return std::unexpected(done.error());
            return ready;
        }
    }
    auto made = Staged::make(shared);
    if (!made) return std::unexpected(made.error());
    auto& staged = **made;
    if (auto done = staged.write(message.prefix); !done) return std::unexpected(done.error());
    std::string piece(kPiece, '\0');
    for (std::uint64_t done = 0; done < source.size();) {
        const auto got = source.read_at(done, piece);
        if (!got) return std::unexpected(got.error());
        if (*got == 0) return damaged("a body is shorter than it was said to be");
        if (auto written = staged.write(std::string_view(piece).substr(0, *got)); !written)
            return std::unexpected(written.error());
        done += *got;
    }
    if (auto done = staged.sync(); !done) return std::unexpected(done.error());
    return *std::move(made);
}

namespace {

// What an upload's calls on the pool work on; it outlives the upload that is dropped meanwhile.
struct UploadState {
    explicit UploadState(std::shared_ptr<Shared> s) : shared(std::move(s)) {}
    std::shared_ptr<Shared> shared;
    std::string memory;
    std::shared_ptr<Staged> staged;
    std::optional<base::Error> error;
};

base::Result<void> take(UploadState& state, std::string_view bytes) {
    if (!state.staged) {
        auto made = Staged::make(state.shared);
        if (!made) return std::unexpected(made.error());
        state.staged = *std::move(made);
        if (auto done = state.staged->write(state.memory); !done) return done;
        state.memory = {};
    }
    return state.staged->write(bytes);
}

class FileUpload final : public Upload {
public:
    explicit FileUpload(std::shared_ptr<Shared> shared)
        : state_(std::make_shared<UploadState>(std::move(shared))) {}

    net::Task<base::Result<void>> write(net::Loop& loop, std::string bytes) override {
        auto state = state_;
        if (state->error) co_return std::unexpected(*state->error);
        size_ += bytes.size();
        if (!state->staged && size_ <= state->shared->config.pack_limit) {
            state->memory += bytes;
            co_return base::Result<void>();
        }
        auto job = [state, bytes = std::move(bytes)] { return take(*state, bytes); };
        base::Result<void> done = co_await net::offload(loop, state->shared->pool, std::move(job));
        if (!done) state->error = done.error();
        co_return done;
    }
    std::uint64_t size() const override { return size_; }
    std::shared_ptr<const Source> finish() override {
        if (!state_->staged) return std::make_shared<MemorySource>(std::move(state_->memory));
        return state_->staged;
    }

private:
    std::shared_ptr<UploadState> state_;
    std::uint64_t size_ = 0;
};

}  // namespace

std::unique_ptr<Upload> make_upload(const std::shared_ptr<Shared>& shared) {
    return std::make_unique<FileUpload>(shared);
}

}  // namespace posthorn::store
