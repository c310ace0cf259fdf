// A table that is looked at again and again.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace posthorn::ctl {

struct TerminalSize {
    std::size_t rows = 0;
    std::size_t columns = 0;
};

// `text` over what stands on the terminal, no larger than that: lines are cut, and it says how many are left out. Pure.
std::string screen(std::string_view text, TerminalSize size);

// Of standard output; 0 rows: that is no terminal.
TerminalSize terminal_size();

// From now on Ctrl-C and SIGTERM end the program with status 0, wherever it is. What is to be seen has been flushed.
void end_at_interrupt();

void pause_seconds(long seconds);

}  // namespace posthorn::ctl
