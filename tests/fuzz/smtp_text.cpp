// The DATA decoder: whatever the cuts, the same octets, the same fault, the same end; and never an end that is
// not CRLF.CRLF. The first octet chooses the newline rule, the second the size of the pieces.
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include "proto/smtp/text_decoder.hpp"

using namespace posthorn::smtp;

namespace {

struct Decoded {
    std::string body;
    TextFault fault{};
    bool eight_bit = false;
    std::optional<std::size_t> end;
    bool operator==(const Decoded&) const = default;
};

Decoded decode(std::string_view wire, TextDecoder::Limits limits, std::size_t piece) {
    TextDecoder decoder(TextDecoder::Framing::data, limits);
    Decoded out;
    std::size_t taken = 0;
    while (taken < wire.size() && !out.end) {
        auto input = wire.substr(taken, piece);
        while (!input.empty() && !out.end) {
            const auto before = input.size();
            const auto part = decoder.next(input);
            taken += before - input.size();
            out.body += part.body;
            if (part.end) out.end = taken;
        }
    }
    out.fault = decoder.fault();
    out.eight_bit = decoder.eight_bit();
    if (out.fault != TextFault::none) {
        // Which of several faults is met first may depend on the pieces.
        out.fault = TextFault::nul;
        out.body.clear();
        out.eight_bit = false;
    }
    return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    const std::string_view wire(reinterpret_cast<const char*>(data) + 2, size - 2);
    const TextDecoder::Limits limits{
        .bare_newline = (data[0] & 1) != 0 ? BareNewline::normalise : BareNewline::reject,
        .max_line = (data[0] & 2) != 0 ? 1000U : 1'000'000'000U,
    };
    const auto whole = decode(wire, limits, wire.size() + 1);
    const auto text = "\r\n" + std::string(wire);
    const auto stop = text.find("\r\n.\r\n");
    if (stop == std::string::npos ? whole.end.has_value() : whole.end != stop + 3) std::abort();
    if (!whole.end) return 0;  // what is held back differs with the pieces until the end
    if (decode(wire, limits, data[1] + std::size_t{1}) != whole) std::abort();
    return 0;
}
