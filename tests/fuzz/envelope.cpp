// Envelopes and recipients' state from a file that anyone may have written: what is decoded comes back the same
// when it is encoded and decoded again.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "mail/envelope_codec.hpp"

using namespace posthorn;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    std::size_t used = 0;
    if (const auto envelope = mail::decode_envelope_prefix(bytes, used)) {
        if (used > size) std::abort();
        const auto again = mail::decode_envelope(mail::encode_envelope(*envelope));
        if (!again || *again != *envelope) std::abort();
    }
    if (const auto state = mail::decode_state(bytes)) {
        const auto again = mail::decode_state(mail::encode_state(*state));
        if (!again || *again != *state) std::abort();
    }
    return 0;
}
