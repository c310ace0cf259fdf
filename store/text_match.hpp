// Keys of a text query held against text in the form of mail/mime/search_text.hpp. For backends. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "mail/mime/search_text.hpp"
#include "store/text_query.hpp"

namespace posthorn::store {

// A query, folded.
class Needles {
public:
    struct Key {
        TextKey::Where where = TextKey::Where::text;
        std::string field;               // folded
        std::vector<std::string> parts;  // folded; all of them must be there; none is empty
    };
    explicit Needles(const TextQuery& query);
    const std::vector<Key>& keys() const { return keys_; }
    std::size_t longest() const { return longest_; }  // octets of a part

private:
    std::vector<Key> keys_;
    std::size_t longest_ = 0;
};

// Whether a header, as lines "\nNAME: value", has such a field. `whole`: fields beyond it there are none.
bool header_matches(const Needles::Key& key, std::string_view header);
bool holds(std::string_view text, std::string_view part);

// Told of a message's text (SearchText) in pieces, of whatever size that is: which keys hold.
class TextMatcher final : public mail::SearchTextSink {
public:
    explicit TextMatcher(const Needles& needles);  // outlives this

    void field(std::string_view name, std::string_view value) override;
    void text(std::string_view piece) override;

    bool matches(std::size_t key) const;
    bool done() const;  // all keys hold: no more needs to come

private:
    void look(std::string_view text, bool body);

    const Needles& needles_;
    std::vector<std::vector<bool>> found_;  // by key and part
    std::vector<bool> fields_;              // by key: such a field has matched
    std::string window_;                    // the end of the text so far, and the piece at hand
};

}  // namespace posthorn::store
