#include "proto/smtp/dot_stuffer.hpp"

namespace posthorn::smtp {

void DotStuffer::stuff(std::string_view raw, std::vector<std::string_view>& pieces) {
    if (raw.empty()) return;
    std::size_t from = 0;
    for (std::size_t at = 0; (at = raw.find('.', at)) != std::string_view::npos; ++at) {
        const char before = at == 0 ? last_ : raw[at - 1];
        // A conforming message has its dots after CRLF alone. One after a bare CR or LF is doubled too: a server that
        // takes such for a line end must not see an end of data that somebody else has written.
        if (before != '\n' && before != '\r') continue;
        pieces.push_back(raw.substr(from, at - from));
        pieces.push_back(".");
        from = at;
    }
    pieces.push_back(raw.substr(from));
    crlf_ = raw.back() == '\n' && (raw.size() > 1 ? raw[raw.size() - 2] : last_) == '\r';
    last_ = raw.back();
}

}  // namespace posthorn::smtp
