#include "spool/impl/in_hand.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>

#include "base/log.hpp"
#include "spool/crash_note.hpp"

namespace posthorn::spool {

namespace {

struct Slot {
    std::uint8_t id[16];
    volatile std::uint8_t busy;
    volatile std::uint8_t signal;  // the fault; 0: none
    std::uint8_t unused[46];
};
static_assert(sizeof(Slot) == 64);

struct Record {
    std::uint8_t id[16];
    std::uint32_t crashes;
    std::uint32_t last;  // number of the start that counted it: the oldest makes room
};

// A signal handler has no arguments to find it by.
thread_local Slot* slot_in_hand = nullptr;

constexpr std::uint64_t kMagic = 0x31444e4148444850;  // "PHDHAND1"

}  // namespace

struct InHand::Layout {
    std::uint64_t magic;
    std::uint32_t starts;
    std::uint8_t unused[52];
    Slot slots[kMaxLoops];
    Record records[64];
};

void note_crash(int signal) noexcept {
    Slot* slot = slot_in_hand;
    if (slot != nullptr && slot->busy != 0) slot->signal = static_cast<std::uint8_t>(signal);
}

base::Result<std::unique_ptr<InHand>> InHand::open(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return base::fail_errno("open " + path, errno);
    if (::ftruncate(fd, sizeof(Layout)) != 0) {
        const int code = errno;
        ::close(fd);
        return base::fail_errno("ftruncate " + path, code);
    }
    void* memory = ::mmap(nullptr, sizeof(Layout), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    const int code = errno;
    ::close(fd);
    if (memory == MAP_FAILED) return base::fail_errno("mmap " + path, code);
    std::unique_ptr<InHand> hand(new InHand(static_cast<Layout*>(memory)));
    if (hand->layout_->magic != kMagic) {
        std::memset(memory, 0, sizeof(Layout));
        hand->layout_->magic = kMagic;
    }
    hand->count_crashes();
    return hand;
}

InHand::~InHand() {
    slot_in_hand = nullptr;
    ::munmap(layout_, sizeof(Layout));
}

void InHand::count_crashes() {
    ++layout_->starts;
    for (auto& slot : layout_->slots) {
        if (slot.busy != 0 && slot.signal != 0) blame(slot.id, slot.signal);
        std::memset(static_cast<void*>(&slot), 0, sizeof slot);
    }
}

void InHand::blame(const std::uint8_t* id, int signal) {
    Record* place = &layout_->records[0];
    for (auto& record : layout_->records) {
        if (std::memcmp(record.id, id, sizeof record.id) == 0 && record.crashes > 0) {
            place = &record;
            break;
        }
        if (record.last < place->last) place = &record;
    }
    if (std::memcmp(place->id, id, sizeof place->id) != 0) {
        std::memcpy(place->id, id, sizeof place->id);
        place->crashes = 0;
    }
    ++place->crashes;
    place->last = layout_->starts;
    base::Ulid ulid;
    std::copy_n(id, ulid.bytes.size(), ulid.bytes.begin());
    base::log::error("spool.message_crashed", {{"message_id", ulid.to_string()},
                                               {"signal", signal},
                                               {"times", place->crashes},
                                               {"msg", "the last run ended while this message was in hand"}});
}

std::vector<base::Ulid> InHand::take_guilty() {
    std::vector<base::Ulid> guilty;
    for (auto& record : layout_->records) {
        if (record.crashes < kCrashes) continue;
        base::Ulid id;
        std::copy_n(record.id, id.bytes.size(), id.bytes.begin());
        guilty.push_back(id);
        record = Record{};
    }
    return guilty;
}

void InHand::set(std::size_t loop_index, const std::optional<base::Ulid>& id) {
    if (loop_index >= kMaxLoops) return;
    Slot& slot = layout_->slots[loop_index];
    slot.busy = 0;
    if (!id) return;
    std::ranges::copy(id->bytes, slot.id);
    // The compiler must not move the id behind the word that it counts.
    std::atomic_signal_fence(std::memory_order_seq_cst);
    slot.busy = 1;
    slot_in_hand = &slot;
}

}  // namespace posthorn::spool
