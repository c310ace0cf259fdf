#include "spool/impl/incoming.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>

#include "base/log.hpp"
#include "mail/envelope_codec.hpp"
#include "mail/line_check.hpp"

namespace posthorn::spool {
namespace {

constexpr std::size_t kMaxHead = std::size_t{1} << 20;        // octets of an envelope that is believed
constexpr std::uint64_t kMaxDrop = std::uint64_t{1} << 30;    // octets of a file
constexpr std::size_t kVettedHeader = std::size_t{64} << 10;  // octets shown to `vetting`
constexpr std::size_t kChunk = std::size_t{128} << 10;
constexpr int kLookMs = 30'000;  // without being woken
constexpr int kSoonMs = 2'000;   // while something waits, or without inotify

std::unexpected<base::Error> refused(std::string why) {
    return base::fail(base::ErrorKind::permanent, std::move(why), "5.6.0");
}

std::uint64_t hash(std::string_view bytes, std::uint64_t h) {
    for (const char c : bytes) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001B3;
    return h ^ (h >> 29);
}

}  // namespace

// The owner's uid is part of it, so that nobody can choose a name under which another's mail counts as taken.
base::Ulid drop_id(const base::FileStatus& status, std::string_view name) {
    base::Ulid id;
    const auto ms = static_cast<std::uint64_t>(std::max<std::int64_t>(status.modified_ms, 0));
    auto h = hash(name, 0xCBF29CE484222325 ^ (status.inode * 0x9E3779B97F4A7C15));
    h = (h ^ (h >> 31)) * 0xBF58476D1CE4E5B9;
    h ^= h >> 27;
    for (std::size_t i = 0; i < 6; ++i) id.bytes[i] = static_cast<std::uint8_t>(ms >> (8 * (5 - i)));
    for (std::size_t i = 0; i < 4; ++i) id.bytes[6 + i] = static_cast<std::uint8_t>(status.owner >> (8 * (3 - i)));
    for (std::size_t i = 0; i < 6; ++i) id.bytes[10 + i] = static_cast<std::uint8_t>(h >> (8 * i));
    return id;
}

struct Incoming::Drop {
    std::shared_ptr<base::File> file;
    base::FileStatus status;
    mail::Envelope envelope;
    std::uint64_t body_at = 0;
    std::shared_ptr<std::string> bytes;  // a small body
    std::shared_ptr<BigFile> big;        // or a large one
    std::string name;                    // for the big file
    bool eight_bit = false;
};

Incoming::Incoming(LogQueue& queue, const base::Clock& clock, Vetting vetting, Taken taken)
    : queue_(queue), clock_(clock), vetting_(std::move(vetting)), taken_(std::move(taken)), files_(queue.files()) {}

Incoming::~Incoming() {
    if (thread_.joinable()) {
        const std::uint64_t one = 1;
        if (::write(stop_, &one, sizeof one) < 0) base::log::error("spool.incoming", {{"msg", "eventfd"}});
        thread_.join();
    }
    if (inotify_ >= 0) ::close(inotify_);
    if (stop_ >= 0) ::close(stop_);
}

void Incoming::forget_taken() {
    const auto names = files_->disk->list(files_->at.incoming);
    if (!names) return;
    for (const auto& name : *names) {
        const auto status = files_->disk->status(files_->at.incoming + '/' + name);
        if (!status || !status->regular) continue;
        const auto id = drop_id(*status, name);
        if (queue_.knows(id)) (void)discard(name, id);
    }
}

bool Incoming::scan() {
    const auto names = files_->disk->list(files_->at.incoming);
    if (!names) {
        base::log::warning("spool.incoming", {{"error", names.error().log_text}});
        return true;
    }
    bool later = !discard_left();
    for (const auto& name : *names) {
        // One that is being written has a dot in front.
        if (!name.starts_with('.') && take(name) == Fate::later) later = true;
    }
    return later;
}

Incoming::Fate Incoming::take(const std::string& name) {
    auto drop = read_head(name);
    if (!drop) return refuse(name, drop.error());
    const auto id = drop->envelope.id;
    if (left_.contains(id) || queue_.knows(id)) return discard(name, id) ? Fate::taken : Fate::later;
    const auto began = clock_.steady();
    auto done = read_body(*drop);
    if (done) done = admit(*drop);
    auto envelope = done && taken_ ? std::optional(drop->envelope) : std::nullopt;
    if (envelope) envelope->body_size = drop->status.size - drop->body_at;
    if (done) done = queue_.commit_held(std::move(drop->envelope), drop->bytes, drop->big);
    if (!done) return refuse(name, done.error());
    if (envelope) taken_(*envelope, clock_.steady() - began);
    return discard(name, id) ? Fate::taken : Fate::later;
}

// First the file goes, for good; then its message may be delivered. So it is never taken in twice.
bool Incoming::discard(const std::string& name, const base::Ulid& id) {
    if (!remove(name)) {
        if (left_.emplace(id, name).second)
            base::log::error("spool.incoming",
                             {{"message_id", id.to_string()},
                              {"path", name},
                              {"msg", "its file cannot be removed; it is delivered when that is done"}});
        return false;
    }
    left_.erase(id);
    queue_.release(id);
    return true;
}

// False: some stay.
bool Incoming::discard_left() {
    for (const auto& [id, name] : std::map(left_)) {
        const auto status = files_->disk->status(files_->at.incoming + '/' + name);
        if (status && drop_id(*status, name) == id) {
            (void)discard(name, id);
            continue;
        }
        // Gone, or another file has its name; the directory may not know it for good yet.
        const bool gone = status || status.error().code == ENOENT;
        if (!gone || !files_->disk->sync_directory(files_->at.incoming)) continue;
        left_.erase(id);
        queue_.release(id);
    }
    return left_.empty();
}

base::Result<Incoming::Drop> Incoming::read_head(const std::string& name) const {
    Drop drop;
    auto file = files_->disk->open(files_->at.incoming + '/' + name, base::OpenMode::read);
    if (!file && file.error().code == ELOOP) return refused("a symbolic link");
    if (!file) return std::unexpected(file.error());
    drop.file = std::move(*file);
    const auto status = drop.file->status();
    if (!status) return std::unexpected(status.error());
    drop.status = *status;
    if (!status->regular || status->links != 1) return refused("not a plain file");
    if (status->size > kMaxDrop) return refused("too large");
    std::string head(std::min<std::uint64_t>(status->size, kMaxHead), '\0');
    const auto got = drop.file->read(0, head);
    if (!got) return std::unexpected(got.error());
    head.resize(*got);
    std::size_t used = 0;
    auto said = mail::decode_envelope_prefix(head, used);
    if (!said) return std::unexpected(said.error());
    if (said->recipients.empty()) return refused("no recipient");
    // What the submitter may say, and no more.
    auto& e = drop.envelope;
    e.id = drop_id(*status, name);
    e.reverse_path = std::move(said->reverse_path);
    e.recipients = std::move(said->recipients);
    e.body = said->body;
    e.smtputf8 = said->smtputf8;
    e.ret = said->ret;
    e.envid = std::move(said->envid);
    e.listener = "drop folder";
    e.arrival = clock_.wall();
    e.metadata["submitter_uid"] = std::to_string(status->owner);
    drop.body_at = used;
    return drop;
}

base::Result<void> Incoming::read_body(Drop& drop) const {
    const auto size = drop.status.size - drop.body_at;
    if (size > queue_.config().memory_body)
        drop.big = std::make_shared<BigFile>(files_, "drop-" + drop.envelope.id.to_string());
    else
        drop.bytes = std::make_shared<std::string>();
    mail::LineCheck lines;
    std::string buffer;
    for (std::uint64_t at = 0; at < size;) {
        buffer.resize(std::min<std::uint64_t>(kChunk, size - at));
        const auto got = drop.file->read(drop.body_at + at, buffer);
        if (!got) return std::unexpected(got.error());
        if (*got == 0) return refused("it shrank while it was read");
        const auto piece = std::string_view(buffer).substr(0, *got);
        if (!lines.feed(piece)) return refused("a bare CR or LF, or a NUL");
        if (drop.bytes != nullptr)
            drop.bytes->append(piece);
        else if (auto written = drop.big->write(piece); !written)
            return written;
        at += *got;
    }
    if (!lines.ended()) return refused("the last line has no end");
    drop.eight_bit = lines.eight_bit();
    return {};
}

base::Result<void> Incoming::admit(Drop& drop) const {
    if (drop.envelope.body == mail::BodyType::binary_mime) drop.envelope.body = mail::BodyType::eight_bit_mime;
    if (drop.eight_bit && drop.envelope.body == mail::BodyType::seven_bit)
        drop.envelope.body = mail::BodyType::eight_bit_mime;
    if (!vetting_) return {};
    std::string header(std::min<std::uint64_t>(drop.status.size - drop.body_at, kVettedHeader), '\0');
    const auto got = drop.file->read(drop.body_at, header);
    if (!got) return std::unexpected(got.error());
    header.resize(*got);
    // With the blank line's CRLF left out; a message may be all header.
    if (const auto end = header.find("\r\n\r\n"); end != std::string::npos) header.resize(end + 2);
    return vetting_(drop.envelope, drop.status.owner, header);
}

Incoming::Fate Incoming::refuse(const std::string& name, const base::Error& error) {
    if (error.code == ENOENT) return Fate::taken;
    // The disk's trouble passes; a file that we may not read does not.
    if (error.kind != base::ErrorKind::permanent && error.code != EACCES && error.code != ENXIO) return Fate::later;
    const auto aside = fmt::format("{}/drop-{}-{}", files_->at.corrupt, base::to_ms(clock_.wall()), names_++);
    const auto moved = files_->disk->rename(files_->at.incoming + '/' + name, aside);
    base::log::warning("spool.drop_refused",
                       {{"path", name}, {"error", error.log_text}, {"copy", aside}, {"moved", moved.has_value()}});
    return Fate::refused;
}

bool Incoming::remove(const std::string& name) {
    const auto gone = files_->disk->unlink(files_->at.incoming + '/' + name);
    return gone && files_->disk->sync_directory(files_->at.incoming);
}

void Incoming::start() {
    stop_ = ::eventfd(0, EFD_CLOEXEC);
    inotify_ = ::inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (inotify_ >= 0 &&
        ::inotify_add_watch(inotify_, files_->at.incoming.c_str(), IN_MOVED_TO | IN_CREATE | IN_ONLYDIR) < 0) {
        ::close(inotify_);
        inotify_ = -1;
    }
    if (inotify_ < 0) base::log::warning("spool.incoming", {{"msg", "no inotify: looking every two seconds"}});
    thread_ = std::thread([this] { run(); });
}

void Incoming::run() {
    bool later = false;
    do {
        later = scan();
    } while (wait(later || inotify_ < 0));
}

// False: it is time to end.
bool Incoming::wait(bool soon) {
    std::array<pollfd, 2> fds{{{stop_, POLLIN, 0}, {inotify_, POLLIN, 0}}};
    (void)::poll(fds.data(), inotify_ < 0 ? 1 : 2, soon ? kSoonMs : kLookMs);
    if (fds[0].revents != 0) return false;
    // The events say only: look again.
    std::array<char, 4096> events{};
    while (inotify_ >= 0 && ::read(inotify_, events.data(), events.size()) > 0) {
    }
    return true;
}

}  // namespace posthorn::spool
