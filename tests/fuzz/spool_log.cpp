// The readers of the log: a segment of any content. The first octet chooses what is read; the next four are the
// generation, so that the fuzzer can make checksums right.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>

#include "base/crc32c.hpp"
#include "spool/impl/changes.hpp"
#include "spool/impl/segment_reader.hpp"

using namespace posthorn;
using namespace posthorn::spool;

namespace {

class MemoryFile final : public base::File {
public:
    explicit MemoryFile(std::string bytes) : bytes_(std::move(bytes)) {}
    base::Result<std::size_t> read(std::uint64_t offset, std::span<char> into) const override {
        if (offset >= bytes_.size()) return 0;
        return bytes_.copy(into.data(), into.size(), offset);
    }
    base::Result<void> write(std::uint64_t, std::span<const std::string_view>) override { return {}; }
    base::Result<void> sync() override { return {}; }
    base::Result<std::uint64_t> size() const override { return bytes_.size(); }
    base::Result<base::FileStatus> status() const override { return base::FileStatus{}; }
    base::Result<void> truncate(std::uint64_t) override { return {}; }
    base::Result<void> reserve(std::uint64_t) override { return {}; }

private:
    std::string bytes_;
};

// Makes the checksum of the record at `at` right, so that what lies behind it is reached.
void mend(std::string& bytes, std::size_t at, std::uint32_t generation) {
    if (bytes.size() < at + RecordHeader::kSize) return;
    const auto header = peek_record_header(std::string_view(bytes).substr(at), generation);
    if (!header || bytes.size() < at + RecordHeader::kSize + header->meta_length) return;
    const auto view = std::string_view(bytes).substr(at);
    const auto crc = base::crc32c(base::crc32c(generation, view.substr(0, RecordHeader::kSize - 4)),
                                  view.substr(RecordHeader::kSize, header->meta_length));
    std::memcpy(bytes.data() + at + RecordHeader::kSize - 4, &crc, 4);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 5) return 0;
    const auto choice = data[0];
    std::uint32_t generation = 0;
    std::memcpy(&generation, data + 1, 4);
    std::string bytes(reinterpret_cast<const char*>(data) + 5, size - 5);
    switch (choice % 4) {
        case 0: {
            std::vector<IndexEntry> entries;
            (void)decode_index(bytes, entries);
            break;
        }
        case 1: {
            QueuedMessage message;
            (void)apply_trail(bytes, message);
            (void)decode_changes(bytes);
            break;
        }
        default: {
            bytes.insert(0, kPage, '\0');
            for (std::size_t at = kPage; at < bytes.size(); at += kAlign) mend(bytes, at, generation);
            const SegmentHeader header{1, generation, bytes.size(), 0};
            const MemoryFile file(bytes);
            const auto scan = scan_segment(file, header);
            if (scan) {
                for (const auto& round : scan->rounds) {
                    if (round.offset < kPage || round.end > align_up(bytes.size(), kPage)) __builtin_trap();
                }
            }
            (void)read_index(file, header);
            (void)guess_generation(file);
        }
    }
    return 0;
}
