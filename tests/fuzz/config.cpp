// A configuration file: parsed, read through every table, checked across keys, complained about.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "server/config/load.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    constexpr std::size_t kMaxInput = 65'536;
    if (size > kMaxInput) return 0;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    if (text.find("file") != std::string_view::npos) return 0;  // secrets would read any file
    const auto config = posthorn::server::parse_config(text, "fuzz");
    if (!config && config.error().text.empty()) __builtin_trap();  // refused without a reason
    return 0;
}
