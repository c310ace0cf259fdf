// What the last run left: reads the log's indexes, scans what has none, tells damage from a torn tail.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/disk.hpp"
#include "spool/impl/segment.hpp"
#include "spool/impl/segment_reader.hpp"
#include "spool/impl/shared_sync.hpp"
#include "spool/impl/table.hpp"

namespace posthorn::spool {

struct Directories {
    explicit Directories(const std::string& path)
        : root(path),
          log(path + "/log"),
          big(path + "/big"),
          corrupt(path + "/corrupt"),
          incoming(path + "/incoming") {}
    std::string root;
    std::string log;
    std::string big;
    std::string corrupt;
    std::string incoming;
};

// Of a segment: the MESSAGEs of it that the table points to.
struct Live {
    std::uint64_t messages = 0;
    std::uint64_t bytes = 0;
};

struct KnownSegment {
    std::shared_ptr<const Segment> segment;
    Live live;
    bool sealed = false;  // has an index
};

// Kept alive by whoever may still work on its files.
struct Files {
    Files(std::shared_ptr<base::Disk> where, Directories directories)
        : disk(std::move(where)),
          at(std::move(directories)),
          big_names(std::make_shared<SharedSync>(disk, at.big)) {}
    std::shared_ptr<base::Disk> disk;
    Directories at;
    std::shared_ptr<SharedSync> big_names;
};

struct Recovered {
    Table table;  // Entry::note: 1 + index into trails
    std::map<std::uint32_t, KnownSegment> segments;
    std::vector<std::string> trails;  // what owners are to be told
    Lsn durable = 0;                  // the last round that happened
    Lsn next = 1;                     // the first LSN that may be used
    AbortRange abort{0, 0};           // to be written first; from 0: nothing
    std::uint32_t next_number = 1;
    std::deque<std::string> spares;
    std::uint64_t damages = 0;     // put aside in corrupt/, each logged
    std::vector<base::Ulid> lost;  // messages that cannot be kept: a DONE is to be written for each
    std::uint64_t scanned = 0;     // segments read whole
};

// Blocking. An error: the disk does not answer, or what is there is of a newer version: nothing was changed.
base::Result<Recovered> recover(base::Disk& disk, const Directories& directories);

// Copies `size` octets of a spoiled file to corrupt/<name>, as far as they can be read; logs and says whether it went.
bool put_aside(base::Disk& disk, const Directories& directories, const base::File& file, std::uint64_t offset,
               std::uint64_t size, const std::string& name, std::string_view reason);

}  // namespace posthorn::spool
