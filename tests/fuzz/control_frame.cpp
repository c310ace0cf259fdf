// Frames of the control socket as any local user may send them: cut from a stream, decoded, checked.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "control/protocol/commands.hpp"
#include "control/protocol/frame.hpp"

using namespace posthorn::control;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view rest(reinterpret_cast<const char*>(data), size);
    // The whole as a body, so that the fuzzer need not find a length that fits.
    std::int64_t id = 0;
    if (const auto request = decode_request(rest, id)) {
        if (const auto* command = find_command(request->command)) check_args(*command, request->args);
        const auto again = encode_request(*request);
        if (encode_request(*decode_request(again, id)) != again) __builtin_trap();
    }
    if (const auto part = decode_part(rest)) {
        const auto again = encode_part(*part);
        if (encode_part(*decode_part(again)) != again) __builtin_trap();
    }
    if (const auto answer = decode_answer(rest)) to_json(answer->result, true);
    FrameReader reader;
    while (!rest.empty() && !reader.oversized()) {
        const auto piece = rest.substr(0, std::min<std::size_t>(7, reader.wants()));
        reader.feed(piece);
        rest.remove_prefix(piece.size());
        if (reader.complete()) decode_request(reader.take(), id);
    }
    return 0;
}
