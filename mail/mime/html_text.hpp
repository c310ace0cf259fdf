// The words of an HTML text, for search: markup, comments, scripts and styles are left out, entities are characters.
// Streaming and linear; whatever comes, it holds a few octets. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace posthorn::mail {

class HtmlText {
public:
    // UTF-8 in, UTF-8 out, appended. A tag that parts words (all but those of a style, like <b>) is a space.
    void feed(std::string_view html, std::string& out);
    void finish(std::string& out);  // an entity that was not ended

private:
    enum class State : std::uint8_t { text, open, name, inside, quoted, comment, raw, entity };

    void step(char c, std::string& out);
    void in_name(char c, std::string& out);
    void end_tag(std::string& out);
    void end_entity(std::string& out);

    State state_ = State::text;
    std::string name_;      // of the tag, in lower case, a leading '/' too; of the entity
    std::string raw_;       // "</script": what ends the text that is none
    std::size_t seen_ = 0;  // octets of this tag, or of raw_ or "-->" that have come
    char quote_ = 0;
};

}  // namespace posthorn::mail
