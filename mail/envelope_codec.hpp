// Envelopes and recipients' state as MessagePack maps, for the spool's records and the drop folder.
//
// Keys are short and stay for ever; a key this version does not know is skipped, one that is missing leaves its
// field at the default. "v" is raised only when an older reader would do harm; it then refuses the record.
//
// What is decoded may come from a file that any local user wrote: every size is checked, and every address and
// parameter is held to its grammar, so that nothing decoded can break out of a command or a header line.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/msgpack.hpp"
#include "base/result.hpp"
#include "mail/envelope.hpp"
#include "mail/outcome.hpp"

namespace posthorn::mail {

inline constexpr std::uint64_t kEnvelopeVersion = 1;
inline constexpr std::size_t kMaxEnvelopeSize = std::size_t{16} << 20;  // octets, encoded

std::string encode_envelope(const Envelope& envelope);

// `bytes` is one envelope and nothing else. Errors are permanent; log_text says which key is wrong.
base::Result<Envelope> decode_envelope(std::string_view bytes);

// The same where a body follows; `used`: octets of the envelope.
base::Result<Envelope> decode_envelope_prefix(std::string_view bytes, std::size_t& used);

std::string encode_state(const RecipientState& state);
base::Result<RecipientState> decode_state(std::string_view bytes);

// For records that hold a state among other values. read_state() returns false for what is none.
void write_state(base::MsgpackWriter& out, const RecipientState& state);
bool read_state(base::MsgpackReader& in, RecipientState& state);

}  // namespace posthorn::mail
