#include "store/impl/bodies.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/crc32c.hpp"
#include "store/impl/index.hpp"
#include "store/impl/refuse.hpp"

namespace posthorn::store {

namespace {

constexpr std::size_t kHeader = 64;
constexpr std::string_view kMagic = "PHb1";
constexpr std::string_view kPackSuffix = ".pack";
constexpr std::string_view kLargeSuffix = ".eml";

template <class T>
void put(char* at, T value) {
    for (std::size_t i = 0; i < sizeof(T); ++i)
        at[i] = static_cast<char>(static_cast<std::uint64_t>(value) >> (8 * i));
}

template <class T>
T take(const char* at) {
    std::uint64_t out = 0;
    for (std::size_t i = 0; i < sizeof(T); ++i) out |= std::uint64_t{static_cast<unsigned char>(at[i])} << (8 * i);
    return static_cast<T>(out);
}

// magic, CRC of what follows it, email, size, CRC of the body, 0, received, delivery, mailbox; little-endian.
void write_header(char* at, const BodyNote& note, const Place& place) {
    std::memcpy(at, kMagic.data(), kMagic.size());
    put<std::uint64_t>(at + 8, note.email);
    put<std::uint64_t>(at + 16, place.size);
    put<std::uint32_t>(at + 24, place.crc);
    put<std::uint32_t>(at + 28, 0);
    put<std::int64_t>(at + 32, base::to_ms(note.received));
    std::memcpy(at + 40, note.delivery.bytes.data(), 16);
    put<std::uint64_t>(at + 56, note.mailbox);
    put<std::uint32_t>(at + 4, base::crc32c(0, {at + 8, kHeader - 8}));
}

std::optional<FoundBody> read_header(std::string_view bytes) {
    const char* at = bytes.data();
    if (bytes.size() < kHeader || bytes.substr(0, 4) != kMagic) return std::nullopt;
    if (take<std::uint32_t>(at + 4) != base::crc32c(0, bytes.substr(8, kHeader - 8))) return std::nullopt;
    FoundBody out;
    out.note.email = take<std::uint64_t>(at + 8);
    out.place.size = take<std::uint64_t>(at + 16);
    out.place.crc = take<std::uint32_t>(at + 24);
    out.note.received = base::from_ms(take<std::int64_t>(at + 32));
    std::memcpy(out.note.delivery.bytes.data(), at + 40, 16);
    out.note.mailbox = take<std::uint64_t>(at + 56);
    return out;
}

std::optional<std::uint64_t> number_of(std::string_view name, std::string_view suffix, int base) {
    if (!name.ends_with(suffix)) return std::nullopt;
    name.remove_suffix(suffix.size());
    std::uint64_t out = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), out, base);
    if (error != std::errc{} || end != name.data() + name.size() || out == 0) return std::nullopt;
    return out;
}

}  // namespace

std::string Bodies::pack_path(std::uint64_t number) const {
    return fmt::format("{}/{:08}{}", folder_, number, kPackSuffix);
}
std::string Bodies::large_path(EmailId email) const {
    return fmt::format("{}/{:016x}{}", folder_, email, kLargeSuffix);
}

base::Result<std::unique_ptr<Bodies>> Bodies::open(base::Disk& disk, std::string folder, std::uint64_t pack_size) {
    std::unique_ptr<Bodies> out(new Bodies(disk, std::move(folder), pack_size));
    const auto packs = out->packs();
    if (!packs) return std::unexpected(packs.error());
    if (!packs->empty()) std::tie(out->number_, out->end_) = packs->back();
    return out;
}

base::Result<bool> Bodies::may_begin() const {
    if (number_ != 0) return false;
    const auto found = large();
    if (!found) return std::unexpected(found.error());
    return found->empty();
}

base::Result<void> Bodies::attach(Index& index) {
    index_ = &index;
    return {};
}

// Opened when it is first written to: most accounts that are opened are only read.
base::Result<void> Bodies::next_pack() {
    if (number_ > 0 && end_ < pack_size_ && !file_) {
        auto opened = disk_.open(pack_path(number_), base::OpenMode::read_write);
        if (!opened) return std::unexpected(opened.error());
        const auto status = (*opened)->status();
        if (!status) return std::unexpected(status.error());
        // A backup has its bytes, too: those stay as they are.
        if (status->links <= 1) {
            file_ = std::move(*opened);
            return {};
        }
    }
    auto made = disk_.open(pack_path(number_ + 1), base::OpenMode::create);
    if (!made) return std::unexpected(made.error());
    ++number_;
    file_ = std::move(*made);
    end_ = 0;
    folder_dirty_ = true;
    return {};
}

base::Result<Place> Bodies::add(const BodyNote& note, std::string_view prefix, const Source& source) {
    if (!file_ || (end_ + gathered_.size() >= pack_size_ && gathered_.empty())) {
        if (auto ready = next_pack(); !ready) return std::unexpected(ready.error());
    }
    // Of another message of this transaction, which was rolled back alone: a repair would take it for this one.
    if (adopted_.contains(note.email)) {
        if (auto gone = remove_large(note.email); !gone) return std::unexpected(gone.error());
        adopted_.erase(note.email);
    }
    const auto header = gathered_.size();
    Place place{number_, end_ + header + kHeader, prefix.size() + source.size(), 0};
    gathered_.resize(header + kHeader);
    gathered_ += prefix;
    auto at = gathered_.size();
    gathered_.resize(header + kHeader + place.size);
    for (std::uint64_t done = 0; done < source.size();) {
        const auto got = source.read_at(done, std::span(gathered_).subspan(at, source.size() - done));
        if (!got || *got == 0) {
            gathered_.resize(header);
            if (!got) return std::unexpected(got.error());
            return damaged("a body is shorter than it was said to be");
        }
        done += *got;
        at += *got;
    }
    place.crc = base::crc32c(0, std::string_view(gathered_).substr(header + kHeader));
    write_header(gathered_.data() + header, note, place);
    return place;
}

base::Result<Place> Bodies::adopt(const BodyNote& note, const std::string& staged, std::uint64_t size,
                                  std::uint32_t crc) {
    if (auto moved = disk_.rename(staged, large_path(note.email)); !moved) return std::unexpected(moved.error());
    folder_dirty_ = true;
    adopted_.insert(note.email);
    return Place{0, 0, size, crc};
}

base::Result<void> Bodies::sync() {
    if (!gathered_.empty()) {
        auto done = file_->write(end_, gathered_);
        if (done) done = file_->sync();
        if (!done) {
            // Nobody knows what of it is there: the pack is not written to again.
            drop();
            file_.reset();
            end_ = UINT64_MAX;
            return done;
        }
        end_ += gathered_.size();
        drop();
    }
    if (folder_dirty_) {
        if (auto done = disk_.sync_directory(folder_); !done) return done;
        folder_dirty_ = false;
    }
    return {};
}

std::vector<std::string> Bodies::leave() {
    drop();
    file_.reset();
    return {"bodies"};
}

void Bodies::drop() {
    gathered_.clear();
    if (gathered_.capacity() > kPiece) gathered_.shrink_to_fit();
}

void Bodies::committed() {
    const auto first_free = index_->counters().next_id;
    std::erase_if(adopted_, [&](EmailId email) { return email < first_free || remove_large(email); });
}

base::Result<std::shared_ptr<base::File>> Bodies::open(EmailId email, const Place& place) {
    if (place.pack == 0) return disk_.open(large_path(email), base::OpenMode::read);
    if (place.pack == number_ && file_) return file_;
    if (place.pack != read_number_ || !read_file_) {
        auto opened = disk_.open(pack_path(place.pack), base::OpenMode::read);
        if (!opened) return std::unexpected(opened.error());
        read_file_ = std::move(*opened);
        read_number_ = place.pack;
    }
    return read_file_;
}

base::Result<void> Bodies::remove(EmailId email, const Place& place) {
    if (place.pack != 0) return {};  // dead octets, for sweep()
    return remove_large(email);
}

base::Result<void> Bodies::remove_large(EmailId email) {
    auto gone = disk_.unlink(large_path(email));
    if (!gone && gone.error().code == ENOENT) return {};
    return gone;
}

base::Result<void> Bodies::remove_pack(std::uint64_t pack) {
    if (pack == read_number_) read_file_.reset();
    return disk_.unlink(pack_path(pack));
}

base::Result<std::vector<std::pair<std::uint64_t, std::uint64_t>>> Bodies::packs() const {
    const auto names = disk_.list(folder_);
    if (!names) return std::unexpected(names.error());
    std::vector<std::pair<std::uint64_t, std::uint64_t>> out;
    for (const auto& name : *names) {
        const auto number = number_of(name, kPackSuffix, 10);
        if (!number) continue;
        const auto status = disk_.status(folder_ + '/' + name);
        if (!status) return std::unexpected(status.error());
        out.emplace_back(*number, status->size);
    }
    std::ranges::sort(out);
    return out;
}

base::Result<std::vector<EmailId>> Bodies::large() const {
    const auto names = disk_.list(folder_);
    if (!names) return std::unexpected(names.error());
    std::vector<EmailId> out;
    for (const auto& name : *names) {
        if (const auto email = number_of(name, kLargeSuffix, 16)) out.push_back(*email);
    }
    return out;
}

base::Result<std::vector<FoundBody>> Bodies::scan(std::uint64_t pack) const {
    const auto file = disk_.open(pack_path(pack), base::OpenMode::read);
    if (!file) return std::unexpected(file.error());
    const auto size = (*file)->size();
    if (!size) return std::unexpected(size.error());
    std::vector<FoundBody> out;
    std::string window(kPiece, '\0');
    for (std::uint64_t at = 0; at + kHeader <= *size;) {
        const auto got = (*file)->read(at, window);
        if (!got) return std::unexpected(got.error());
        const auto bytes = std::string_view(window).substr(0, *got);
        auto found = read_header(bytes);
        if (found && found->place.size <= *size - at - kHeader) {
            found->place.pack = pack;
            found->place.offset = at + kHeader;
            const auto good = intact(**file, found->place);
            if (!good) return std::unexpected(good.error());
            if (*good) {
                out.push_back(*found);
                at += kHeader + found->place.size;
                continue;
            }
        }
        // Damage, or what a failed write left: on at the next record there may be.
        const auto next = bytes.find(kMagic, 1);
        at += next != std::string_view::npos
                  ? next
                  : std::max<std::size_t>(bytes.size(), kMagic.size()) - kMagic.size() + 1;
    }
    return out;
}

std::optional<BodyNote> Bodies::note_of(const base::File& pack, const Place& place) {
    std::string header(kHeader, '\0');
    if (place.offset < kHeader || pack.read(place.offset - kHeader, header) != kHeader) return std::nullopt;
    const auto found = read_header(header);
    if (!found) return std::nullopt;
    return found->note;
}

base::Result<FoundBody> Bodies::scan_large(EmailId email) const {
    const auto path = large_path(email);
    const auto file = disk_.open(path, base::OpenMode::read);
    if (!file) return std::unexpected(file.error());
    const auto status = (*file)->status();
    if (!status) return std::unexpected(status.error());
    FoundBody out;
    out.note.email = email;
    out.note.received = base::from_ms(status->modified_ms);
    out.place.size = status->size;
    std::string piece(kPiece, '\0');
    for (std::uint64_t at = 0; at < status->size;) {
        const auto got = (*file)->read(at, piece);
        if (!got) return std::unexpected(got.error());
        if (*got == 0) break;
        out.place.crc = base::crc32c(out.place.crc, std::string_view(piece).substr(0, *got));
        at += *got;
    }
    return out;
}

base::Result<bool> intact(const base::File& file, const Place& place) {
    std::string piece(std::min<std::uint64_t>(kPiece, place.size), '\0');
    std::uint32_t crc = 0;
    for (std::uint64_t done = 0; done < place.size;) {
        const auto want = std::min<std::uint64_t>(piece.size(), place.size - done);
        const auto got = file.read(place.offset + done, std::span(piece).first(want));
        if (!got) return std::unexpected(got.error());
        if (*got == 0) return false;
        crc = base::crc32c(crc, std::string_view(piece).substr(0, *got));
        done += *got;
    }
    return crc == place.crc;
}

}  // namespace posthorn::store
