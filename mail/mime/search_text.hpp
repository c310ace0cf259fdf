// The text of a message as search compares it: decoded, HTML without its markup, in the case of the collation
// i;unicode-casemap (RFC 9051 §6.4.4, RFC 5051), each run of white space and control characters one space. Pure;
// streaming and linear.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace posthorn::mail {

// A text (UTF-8) in that form: what is looked for.
std::string search_fold(std::string_view utf8);

// The same of a text that comes in pieces, cut between characters.
class SearchFold {
public:
    void feed(std::string_view utf8, std::string& out);

private:
    bool space_ = false;  // the last that went out was one
};

// Is told of a message's text, folded; '\n' never stands in it but to part what does not belong together.
class SearchTextSink {
public:
    virtual ~SearchTextSink() = default;
    // Of the message's own header. Names are folded, too ("SUBJECT").
    virtual void field(std::string_view name, std::string_view value) = 0;
    // All else: text parts, and header fields of what is inside the message, each with its name. In pieces.
    virtual void text(std::string_view piece) = 0;
};

// Fed with a message in pieces of any size. Holds a header field and about 64 KiB of a text.
class SearchText {
public:
    explicit SearchText(SearchTextSink& sink);  // outlives this
    ~SearchText();
    SearchText(const SearchText&) = delete;
    SearchText& operator=(const SearchText&) = delete;

    void feed(std::string_view message);
    void finish();

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace posthorn::mail
