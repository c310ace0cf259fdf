#include "spool/impl/bodies.hpp"

#include <algorithm>
#include <cstring>

namespace posthorn::spool {
namespace {

class MemoryBody final : public Body {
public:
    MemoryBody(std::shared_ptr<const std::string> bytes, std::shared_ptr<void> keep)
        : bytes_(std::move(bytes)), keep_(std::move(keep)) {}
    std::uint64_t size() const override { return bytes_->size(); }
    std::optional<std::string_view> memory() const override { return *bytes_; }
    base::Result<std::size_t> read_at(std::uint64_t offset, std::span<char> into) const override {
        if (offset >= bytes_->size()) return 0;
        const auto n = std::min<std::uint64_t>(into.size(), bytes_->size() - offset);
        std::memcpy(into.data(), bytes_->data() + offset, n);
        return static_cast<std::size_t>(n);
    }

private:
    std::shared_ptr<const std::string> bytes_;
    std::shared_ptr<void> keep_;
};

// A range of a file that does not change.
class RangeBody final : public Body {
public:
    RangeBody(std::shared_ptr<const void> keep, const base::File& file, std::uint64_t start, std::uint64_t size)
        : keep_(std::move(keep)), file_(file), start_(start), size_(size) {}
    std::uint64_t size() const override { return size_; }
    std::optional<std::string_view> memory() const override { return std::nullopt; }
    base::Result<std::size_t> read_at(std::uint64_t offset, std::span<char> into) const override {
        if (offset >= size_) return 0;
        return file_.read(start_ + offset, into.first(std::min<std::uint64_t>(into.size(), size_ - offset)));
    }

private:
    std::shared_ptr<const void> keep_;
    const base::File& file_;
    std::uint64_t start_;
    std::uint64_t size_;
};

}  // namespace

std::shared_ptr<const Body> memory_body(std::shared_ptr<const std::string> bytes, std::shared_ptr<void> keep) {
    return std::make_shared<MemoryBody>(std::move(bytes), std::move(keep));
}

std::shared_ptr<const Body> segment_body(std::shared_ptr<const Segment> segment, std::uint64_t offset,
                                         std::uint64_t size) {
    const base::File& file = *segment->file;
    return std::make_shared<RangeBody>(std::move(segment), file, offset, size);
}

std::shared_ptr<const Body> file_body(std::shared_ptr<base::File> file, std::uint64_t size) {
    const base::File& bytes = *file;
    return std::make_shared<RangeBody>(std::move(file), bytes, 0, size);
}

}  // namespace posthorn::spool
