// A stream whose octets are compressed on the way (RFC 1951, raw): for COMPRESS=DEFLATE (RFC 4978).
#pragma once

#include <memory>

#include "net/stream.hpp"

namespace posthorn::net {

// Both directions, from now on. What was read of `inner` before is not looked at again.
// Memory: at most 128 KiB: 64 KiB to compress (a window of 8 KiB), 44 KiB to decompress, and the buffers between. What
// comes out of a read is no more than the caller has room for, however well it was compressed.
std::unique_ptr<Stream> make_deflate_stream(std::unique_ptr<Stream> inner);

}  // namespace posthorn::net
