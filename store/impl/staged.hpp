// A large body on its way in: a file in the store's staging folder, which an account takes over by rename. Gone with
// this, unless it was taken.
#pragma once

#include <memory>
#include <string>

#include "store/impl/shared.hpp"
#include "store/store.hpp"

namespace posthorn::store {

class Staged final : public Source {
public:
    static base::Result<std::shared_ptr<Staged>> make(const std::shared_ptr<Shared>& shared);
    ~Staged() override;
    Staged(const Staged&) = delete;
    Staged& operator=(const Staged&) = delete;

    base::Result<void> write(std::string_view bytes);
    base::Result<void> sync() { return file_->sync(); }

    std::uint64_t size() const override { return size_; }
    base::Result<std::size_t> read_at(std::uint64_t offset, std::span<char> into) const override;
    std::uint32_t crc() const { return crc_; }
    const std::string& path() const { return path_; }
    // An account has it: the path is no longer ours. Once.
    void taken() const { taken_ = true; }
    bool is_taken() const { return taken_; }

private:
    Staged(std::shared_ptr<Shared> shared, std::string path, std::shared_ptr<base::File> file)
        : shared_(std::move(shared)), path_(std::move(path)), file_(std::move(file)) {}

    std::shared_ptr<Shared> shared_;
    std::string path_;
    std::shared_ptr<base::File> file_;
    std::uint64_t size_ = 0;
    std::uint32_t crc_ = 0;
    mutable bool taken_ = false;
};

// What makes a message's body ready before its account's turn: nothing for a small one, a synced file for a large one.
// On a thread of the store.
base::Result<std::shared_ptr<const Staged>> stage(const std::shared_ptr<Shared>& shared, const NewMessage& message);

std::unique_ptr<Upload> make_upload(const std::shared_ptr<Shared>& shared);

}  // namespace posthorn::store
