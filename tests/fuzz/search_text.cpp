// Texts of anybody as search sees them: they do not depend on how the octets were cut, are no longer than folding makes
// them, and hold no white space but single spaces.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "mail/mime/html_text.hpp"
#include "mail/mime/search_text.hpp"

using namespace posthorn::mail;

namespace {

void check(bool holds) {
    if (!holds) std::abort();
}

struct Gathered final : SearchTextSink {
    void field(std::string_view name, std::string_view value) override {
        check(name.find('\n') == std::string_view::npos && value.find('\n') == std::string_view::npos);
        head.append(name).append(": ").append(value) += '\n';
    }
    void text(std::string_view piece) override { body += piece; }
    std::string head;
    std::string body;
};

Gathered text_of(std::string_view message, std::size_t piece) {
    Gathered out;
    SearchText text(out);
    for (; !message.empty(); message.remove_prefix(std::min(piece, message.size())))
        text.feed(message.substr(0, piece));
    text.finish();
    return out;
}

std::string words_of(std::string_view html, std::size_t piece) {
    HtmlText text;
    std::string out;
    for (; !html.empty(); html.remove_prefix(std::min(piece, html.size()))) text.feed(html.substr(0, piece), out);
    text.finish(out);
    return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    const auto words = words_of(bytes, std::max<std::size_t>(1, size));
    check(words == words_of(bytes, 1));
    check(words.size() <= size);
    const auto folded = search_fold(bytes);
    check(folded.find("  ") == std::string::npos && folded.find('\n') == std::string::npos);
    const auto whole = text_of(bytes, std::max<std::size_t>(1, size));
    const auto cut = text_of(bytes, 3);
    check(whole.head == cut.head && whole.body == cut.body);
    return 0;
}
