// Where the bytes of a message are: in memory, in a segment, in a file of its own.
#pragma once

#include <memory>
#include <string>

#include "base/disk.hpp"
#include "spool/body.hpp"
#include "spool/impl/segment.hpp"

namespace posthorn::spool {

// `keep` is held as long as the body lives (a share of the memory budget).
std::shared_ptr<const Body> memory_body(std::shared_ptr<const std::string> bytes, std::shared_ptr<void> keep = {});
std::shared_ptr<const Body> segment_body(std::shared_ptr<const Segment> segment, std::uint64_t offset,
                                         std::uint64_t size);
std::shared_ptr<const Body> file_body(std::shared_ptr<base::File> file, std::uint64_t size);

}  // namespace posthorn::spool
