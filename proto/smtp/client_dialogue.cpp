#include "proto/smtp/client_dialogue.hpp"

#include "base/utf8.hpp"

namespace posthorn::smtp {

void Dialogue::add(std::string_view who, std::string_view line) {
    if (lines_.size() == kDialogueLines) lines_.pop_front();
    lines_.push_back(std::string(who) += base::printable(line, kDialogueLine));
}

}  // namespace posthorn::smtp
