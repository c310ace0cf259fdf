// A small file in the state directory that is replaced whole: what operators have set for good.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/disk.hpp"
#include "base/result.hpp"

namespace posthorn::delivery {

inline constexpr std::uint64_t kMaxStateFile = 16U << 20;

// Nothing: there is none, or (as an error) it is too large or cannot be read. Blocking.
base::Result<std::optional<std::string>> read_state_file(base::Disk& disk, const std::string& path);
// Durable when it returns; a reader sees the old file or the new one.
base::Result<void> write_state_file(base::Disk& disk, const std::string& directory, const std::string& name,
                                    std::string_view text);

// Of a file of lines: `header`, then what `take` is given one by one and says whether it understands. Every line has its
// end, or the file was not written by us. Where it does not, the error is the path and `complaint`; no file has no lines.
base::Result<void> read_state_lines(base::Disk& disk, const std::string& path, std::string_view header,
                                    std::string_view complaint,
                                    const std::function<bool(std::string_view line)>& take);

}  // namespace posthorn::delivery
