#include "spool/impl/recovery.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/log.hpp"
#include "spool/impl/replay.hpp"
#include "spool/impl/round.hpp"
#include "spool/impl/segment_store.hpp"

namespace posthorn::spool {
namespace {

constexpr std::size_t kCopyChunk = std::size_t{1} << 20;

struct Candidate {
    std::shared_ptr<const Segment> segment;
    std::optional<Trailer> trailer;
    Scan scan;  // where there is no trailer
    bool spoiled = false;
};

class Recovery {
public:
    Recovery(base::Disk& disk, const Directories& directories) : disk_(disk), dirs_(directories) {}

    base::Result<Recovered> run() {
        auto done = open_segments();
        if (done) done = read_ends();
        if (done) done = judge_last_rounds();
        if (!done) return std::unexpected(done.error());
        report_gaps();
        for (auto& [number, one] : candidates_) {
            if (done = apply(one); !done) return std::unexpected(done.error());
        }
        if (done = check_big(); !done) return std::unexpected(done.error());
        finish();
        return std::move(out_);
    }

private:
    base::Result<void> open_segments() {
        const auto names = disk_.list(dirs_.log);
        if (!names) return std::unexpected(names.error());
        for (const auto& name : *names) {
            if (name.ends_with(kNewSuffix)) (void)disk_.unlink(dirs_.log + '/' + name);
            if (name.ends_with(kSpareSuffix)) {
                out_.spares.push_back(name);
                if (const auto n = parse_segment_name(name.substr(0, name.size() - kSpareSuffix.size())))
                    out_.next_number = std::max(out_.next_number, *n + 1);
            }
            const auto number = parse_segment_name(name);
            if (!number) continue;
            out_.next_number = std::max(out_.next_number, *number + 1);
            if (auto opened = open_segment(name, *number); !opened) return opened;
        }
        return {};
    }

    base::Result<void> open_segment(const std::string& name, std::uint32_t number) {
        const auto path = dirs_.log + '/' + name;
        auto file = disk_.open(path, base::OpenMode::read_write);
        if (!file) return std::unexpected(file.error());
        std::string page(SegmentHeader::kSize, '\0');
        const auto got = (*file)->read(0, page);
        const auto size = (*file)->size();
        if (!got) return std::unexpected(got.error());
        if (!size) return std::unexpected(size.error());
        bool newer = false;
        auto header = decode_segment_header(std::string_view(page).substr(0, *got), &newer);
        if (newer) {
            return base::fail(
                base::ErrorKind::permanent,
                path + ": written by a newer version of posthornd; start that one, or use another spool");
        }
        Candidate one;
        if (!header || header->number != number) {
            const auto generation = guess_generation(**file);
            if (!generation) return std::unexpected(generation.error());
            damage(**file, 0, kPage, name + ".header", "segment header is spoiled");
            if (!*generation) return move_aside(path, name);
            header = SegmentHeader{number, **generation, *size, 0};
            one.spoiled = true;
        }
        one.segment = std::make_shared<const Segment>(*header, path, *file);
        candidates_.emplace(number, std::move(one));
        return {};
    }

    // Nothing in it can be believed.
    base::Result<void> move_aside(const std::string& path, const std::string& name) {
        auto moved = disk_.rename(path, dirs_.corrupt + '/' + name);
        if (moved) moved = disk_.sync_directory(dirs_.log);
        return moved;
    }

    // Trailers, scans, and what first rounds say was aborted.
    base::Result<void> read_ends() {
        for (auto& [number, one] : candidates_) {
            const auto& file = *one.segment->file;
            auto index = read_trailer(file, one.segment->header);
            if (!index) return std::unexpected(index.error());
            one.trailer = *index;
            if (one.trailer) {
                note_durable(one.trailer->last);
                auto first = read_first_round(file, one.segment->header);
                if (!first) return std::unexpected(first.error());
                if (*first && (*first)->abort) aborts_.push_back(*(*first)->abort);
                continue;
            }
            ++out_.scanned;
            auto scan = scan_segment(file, one.segment->header);
            if (!scan) return std::unexpected(scan.error());
            one.scan = std::move(*scan);
            unreadable(one);
            for (const auto& round : one.scan.rounds) {
                highest_ = std::max(highest_, round.header.lsn);
                note_durable(round.header.durable);
            }
        }
        return {};
    }

    void unreadable(const Candidate& one) {
        out_.damages += one.scan.unreadable;
        if (one.scan.unreadable == 0) return;
        base::log::error("spool.unreadable", {{"path", one.segment->path}, {"pages", one.scan.unreadable}});
    }

    void note_durable(Lsn lsn) {
        out_.durable = std::max(out_.durable, lsn);
        highest_ = std::max(highest_, lsn);
    }

    bool aborted(Lsn lsn) const {
        return std::ranges::any_of(aborts_, [lsn](const AbortRange& r) { return r.from <= lsn && lsn <= r.to; });
    }

    // Rounds that are not known durable: the one that was under way, and rounds whose sync failed. Newest first, as a
    // newer one may abort an older one. One that is here wholly counts, after a sync; the others were never
    // acknowledged and are cut off.
    base::Result<void> judge_last_rounds() {
        std::vector<std::pair<const Candidate*, ScannedRound*>> open;
        for (auto& [number, one] : candidates_) {
            for (auto& round : one.scan.rounds) {
                if (round.header.lsn > out_.durable)
                    open.emplace_back(&one, &round);
                else if (round.abort)
                    aborts_.push_back(*round.abort);
            }
        }
        Lsn best = out_.durable;
        for (auto at = open.rbegin(); at != open.rend(); ++at) {
            auto& [one, round] = *at;
            if (!aborted(round->header.lsn) && whole(*one->segment, *round)) {
                // It may have been acknowledged: if it cannot be made sure of, there is no start.
                if (auto sure = write_again(*one->segment, *round); !sure) return sure;
                best = std::max(best, round->header.lsn);
                if (round->abort) aborts_.push_back(*round->abort);
                continue;
            }
            torn_.insert(round->header.lsn);
            base::log::notice("spool.torn_tail", {{"path", one->segment->path},
                                                  {"offset", round->offset},
                                                  {"lsn", round->header.lsn},
                                                  {"msg",
                                                   "an unfinished round was cut off; nothing in it was "
                                                   "acknowledged"}});
        }
        out_.durable = best;
        return {};
    }

    bool whole(const Segment& segment, const ScannedRound& round) {
        if (!round.whole) return false;
        for (const auto& entry : round.entries) {
            if (entry.type != RecordType::message) continue;
            const auto record = read_record(segment, entry.offset);
            if (!record) return false;
            if (record->header.big()) {
                const auto status = disk_.status(dirs_.big + '/' + entry.id.to_string());
                if (!status || status->size != entry.body_length) return false;
            } else if (!verify_body(segment, entry.offset, record->header)) {
                return false;
            }
        }
        return true;
    }

    // It may stand in the page cache alone, and be called clean there after a sync that failed: only bytes written
    // anew are synced for sure. They are the same bytes: a write that fails half way changes nothing.
    static base::Result<void> write_again(const Segment& segment, const ScannedRound& round) {
        std::string bytes(round.end - round.offset, '\0');
        const auto got = segment.file->read(round.offset, bytes);
        if (!got) return std::unexpected(got.error());
        bytes.resize(*got);
        if (auto written = segment.file->write(round.offset, std::string_view(bytes)); !written) return written;
        return segment.file->sync();
    }

    // LSNs below the durable one that nothing accounts for: whole rounds that are lost.
    void report_gaps() {
        std::vector<AbortRange> seen = aborts_;
        for (const auto& [number, one] : candidates_) {
            if (one.trailer && one.trailer->first != 0) seen.push_back({one.trailer->first, one.trailer->last});
            for (const auto& round : one.scan.rounds) seen.push_back({round.header.lsn, round.header.lsn});
        }
        std::ranges::sort(seen, {}, &AbortRange::from);
        Lsn next = seen.empty() ? 0 : seen.front().from;
        for (const auto& [from, to] : seen) {
            if (from > next && next <= out_.durable) {
                ++out_.damages;
                base::log::error(
                    "spool.rounds_lost",
                    {{"from", next}, {"to", from - 1}, {"msg", "acknowledged records are missing from the log"}});
            }
            next = std::max(next, to + 1);
        }
    }

    base::Result<void> apply(Candidate& one) {
        const auto number = one.segment->header.number;
        auto& known = out_.segments[number];
        known.segment = one.segment;
        if (one.trailer) {
            auto index = read_index(*one.segment->file, one.segment->header);
            if (!index) return std::unexpected(index.error());
            if (*index) {
                known.sealed = true;
                for (const auto& entry : (*index)->entries) replay_.apply(entry, number);
                return {};
            }
            base::log::warning("spool.index_spoiled",
                               {{"path", one.segment->path}, {"msg", "scanning it instead"}});
            ++out_.scanned;
            auto scan = scan_segment(*one.segment->file, one.segment->header);
            if (!scan) return std::unexpected(scan.error());
            one.scan = std::move(*scan);
        }
        bool sound = !one.spoiled;
        std::vector<IndexEntry> accepted;
        Lsn first = 0;
        Lsn last = 0;
        std::uint64_t cut = 0;
        for (auto& round : one.scan.rounds) {
            if (torn_.contains(round.header.lsn) || aborted(round.header.lsn)) {
                ++cut;
                continue;
            }
            if (!round.whole) {
                sound = false;
                damage(*one.segment->file, round.offset, round.end - round.offset,
                       fmt::format("{}-{}", segment_name(number), round.offset), "a round of the log is spoiled");
            }
            for (auto& entry : round.entries) {
                replay_.apply(entry, number);
                accepted.push_back(std::move(entry));
            }
            if (first == 0) first = round.header.lsn;
            last = round.header.lsn;
        }
        // The next start need not scan it again. Not where anything is odd: what is odd is looked at each time.
        if (sound && cut == 0) seal_scanned(known, one, first, last, accepted);
        return {};
    }

    void seal_scanned(KnownSegment& known, const Candidate& one, Lsn first, Lsn last,
                      const std::vector<IndexEntry>& entries) {
        SegmentWriter writer(one.segment);
        writer.resume(one.scan.end, first, last, entries);
        const auto sealed = seal(writer);
        known.sealed = sealed.has_value();
        if (!sealed) base::log::warning("spool.seal_failed", {{"error", sealed.error().log_text}});
    }

    // big/ against the log: what is not named goes, what is named and not there is damage.
    base::Result<void> check_big() {
        const auto names = disk_.list(dirs_.big);
        if (!names) return std::unexpected(names.error());
        std::set<base::Ulid> wanted;
        out_.table.each([&](const Entry& entry) {
            if (entry.big != 0) wanted.insert(entry.id);
        });
        for (const auto& name : *names) {
            const auto path = dirs_.big + '/' + name;
            const auto id = base::Ulid::parse(name);
            const Entry* entry = id ? out_.table.find(*id) : nullptr;
            if (entry == nullptr || entry->big == 0) {
                (void)disk_.unlink(path);
                continue;
            }
            const auto status = disk_.status(path);
            if (!status) return std::unexpected(status.error());
            if (status->size == entry->body_length) wanted.erase(*id);
        }
        for (const auto& id : wanted) lose(id);
        return {};
    }

    // The envelope is still here: it goes to corrupt/ for the operator, with its record.
    void lose(const base::Ulid& id) {
        const Entry entry = *out_.table.find(id);
        const auto& segment = *out_.segments[entry.message.segment].segment;
        // What is left of the body goes with it: in big/ it would be an orphan from now on.
        (void)disk_.rename(dirs_.big + '/' + id.to_string(), dirs_.corrupt + '/' + id.to_string() + ".body");
        damage(*segment.file, entry.message.offset, entry.stored(), id.to_string() + ".record",
               "the file of a big body is missing or short");
        replay_.forget(entry);
        out_.lost.push_back(id);
    }

    void damage(const base::File& file, std::uint64_t offset, std::uint64_t size, const std::string& name,
                std::string_view reason) {
        ++out_.damages;
        (void)put_aside(disk_, dirs_, file, offset, size, name, reason);
    }

    void finish() {
        // Whatever stands above the last good round must never be believed later, when higher LSNs are durable.
        highest_ = std::max(highest_, out_.durable);
        out_.next = highest_ + 2;
        if (!candidates_.empty()) out_.abort = {out_.durable + 1, highest_ + 1};
    }

    base::Disk& disk_;
    const Directories& dirs_;
    Recovered out_;
    Replay replay_{out_};
    std::map<std::uint32_t, Candidate> candidates_;
    std::vector<AbortRange> aborts_;
    std::set<Lsn> torn_;
    Lsn highest_ = 0;
};

}  // namespace

bool put_aside(base::Disk& disk, const Directories& directories, const base::File& file, std::uint64_t offset,
               std::uint64_t size, const std::string& name, std::string_view reason) {
    const auto path = directories.corrupt + '/' + name;
    // The same damage found again at the next start is not copied again.
    auto copy = disk.open(path, base::OpenMode::create);
    bool good = copy.has_value();
    std::string buffer;
    for (std::uint64_t done = 0; good && done < size;) {
        buffer.resize(std::min<std::uint64_t>(kCopyChunk, size - done));
        const auto got = file.read(offset + done, buffer);
        if (!got || *got == 0) break;
        good = (*copy)->write(done, std::string_view(buffer).substr(0, *got)).has_value();
        done += *got;
    }
    good = good && (*copy)->sync() && disk.sync_directory(directories.corrupt);
    base::log::error("spool.damage", {{"reason", reason}, {"copy", path}, {"copied", good}, {"offset", offset}});
    return good;
}

base::Result<Recovered> recover(base::Disk& disk, const Directories& directories) {
    return Recovery(disk, directories).run();
}

}  // namespace posthorn::spool
