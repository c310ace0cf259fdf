// The last lines of a session as an operator may see them: printable, bounded, without credentials or bodies.
#pragma once

#include <cstddef>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace posthorn::smtp {

inline constexpr std::size_t kDialogueLines = 40;
inline constexpr std::size_t kDialogueLine = 200;  // octets

class Dialogue {
public:
    void client(std::string_view line) { add("C: ", line); }
    void server(std::string_view line) { add("S: ", line); }
    void note(std::string_view line) { add("-- ", line); }  // what is no line of either: a hand-shake, a loss

    std::vector<std::string> lines() const { return {lines_.begin(), lines_.end()}; }
    void clear() { lines_.clear(); }

private:
    void add(std::string_view who, std::string_view line);

    std::deque<std::string> lines_;
};

}  // namespace posthorn::smtp
