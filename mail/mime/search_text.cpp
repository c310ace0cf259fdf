#include "mail/mime/search_text.hpp"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/ascii.hpp"
#include "mail/mime/casemap.hpp"
#include "mail/mime/charset.hpp"
#include "mail/mime/content.hpp"
#include "mail/mime/encoded_word.hpp"
#include "mail/mime/html_text.hpp"
#include "mail/mime/parser.hpp"
#include "mail/mime/transfer.hpp"

namespace posthorn::mail {
namespace {

constexpr std::size_t kPiece = 64 * 1024;  // of a decoded text, made UTF-8 at once

bool is_space(char c) { return static_cast<unsigned char>(c) <= ' ' || c == 0x7F; }
bool is_plain(char c) { return base::is_ascii(c); }

// A text part on its way: octets, then UTF-8, then words.
class PartText {
public:
    PartText(std::string_view encoding, std::string charset, bool html)
        : decoder_(transfer_encoding(encoding)), charset_(std::move(charset)) {
        if (html) html_.emplace();
    }

    void feed(std::string_view bytes, SearchTextSink& sink) {
        while (!bytes.empty()) {
            const auto piece = std::min(bytes.size(), kPiece);
            decoder_.decode(bytes.substr(0, piece), decoded_);
            bytes.remove_prefix(piece);
            if (decoded_.size() >= kPiece) put(false, sink);
        }
    }
    void finish(SearchTextSink& sink) {
        decoder_.finish(decoded_);
        put(true, sink);
    }

private:
    // Whole lines, so that no character is cut; one that is longer than anybody writes is cut all the same.
    void put(bool last, SearchTextSink& sink) {
        std::size_t end = decoded_.size();
        if (!last && end < 4 * kPiece) end = decoded_.rfind('\n') + 1;
        if (end == 0 && !last) return;
        auto utf8 = to_utf8(charset_, std::string_view(decoded_).substr(0, end));
        decoded_.erase(0, end);
        if (html_) {
            std::string words;
            html_->feed(utf8, words);
            if (last) html_->finish(words);
            utf8 = std::move(words);
        }
        std::string folded;
        fold_.feed(utf8, folded);
        sink.text(folded);
    }

    TransferDecoder decoder_;
    std::string charset_;
    std::optional<HtmlText> html_;
    SearchFold fold_;
    std::string decoded_;
};

}  // namespace

void SearchFold::feed(std::string_view utf8, std::string& out) {
    const auto put = [&](std::string_view text) {
        for (const char c : text) {
            if (!is_space(c)) {
                out += base::to_upper(c);
                space_ = false;
            } else if (!space_) {
                out += ' ';
                space_ = true;
            }
        }
    };
    out.reserve(out.size() + utf8.size());
    while (!utf8.empty()) {
        const auto plain = static_cast<std::size_t>(std::ranges::find_if_not(utf8, is_plain) - utf8.begin());
        put(utf8.substr(0, plain));
        utf8.remove_prefix(plain);
        const auto other = static_cast<std::size_t>(std::ranges::find_if(utf8, is_plain) - utf8.begin());
        if (other != 0) put(casemap(utf8.substr(0, other), other));
        utf8.remove_prefix(other);
    }
}

std::string search_fold(std::string_view utf8) {
    std::string out;
    SearchFold().feed(utf8, out);
    return out;
}

struct SearchText::State final : MimeParser::Sink {
    explicit State(SearchTextSink& to) : sink(to) {}

    void part_begins(std::uint32_t index, std::uint32_t parent, std::uint64_t) override {
        root = index == 0;
        // RFC 2046 §5.1.5
        const bool digest = parent != MimeParser::kNoParent && digests[parent];
        type = digest ? "message/rfc822" : "text/plain";
        typed = false;
        parameters.clear();
        encoding.clear();
        part.reset();
        digests.push_back(false);
        if (!root) sink.text("\n");
    }

    void field(std::string_view name, std::string_view value) override {
        if (base::iequals(name, "content-type") && !typed) {
            typed = true;
            auto read = parse_content_field(value);
            const auto slash = read.value.find('/');
            const bool good = slash != std::string::npos && slash > 0 && slash + 1 < read.value.size();
            type = good ? read.value : "text/plain";
            parameters = std::move(read.parameters);
        } else if (base::iequals(name, "content-transfer-encoding")) {
            if (auto read = parse_content_field(value, 0); !read.value.empty()) encoding = std::move(read.value);
        }
        const auto folded = search_fold(decode_words(value));
        if (root) return sink.field(search_fold(name), folded);
        sink.text(search_fold(name));
        sink.text(": ");
        sink.text(folded);
        sink.text("\n");
    }

    MimeParser::Nature header_ends(std::uint64_t, std::uint64_t, bool may_nest) override {
        using Kind = MimeParser::Nature::Kind;
        auto boundary = std::string(raw_parameter(parameters, "boundary"));
        const bool multipart = type.starts_with("multipart/");
        if (multipart && boundary.empty()) {
            type = "text/plain";
            parameters.clear();
        } else if (may_nest && multipart) {
            digests.back() = type == "multipart/digest";
            return {.kind = Kind::multipart, .boundary = std::move(boundary)};
        } else if (may_nest && (type == "message/rfc822" || type == "message/global")) {
            return {.kind = Kind::message};
        }
        if (type.starts_with("text/"))
            part.emplace(encoding, parameter(parameters, "charset").value_or("us-ascii"), type == "text/html");
        return {};
    }

    void body(std::string_view bytes) override {
        if (part) part->feed(bytes, sink);
    }

    void part_ends(std::uint32_t, std::uint64_t, std::uint64_t, bool) override { end_part(); }
    void end_part() {
        if (part) part->finish(sink);
        part.reset();
    }

    SearchTextSink& sink;
    bool root = true;
    bool typed = false;
    std::string type;
    std::string encoding;
    MimeParameters parameters;
    std::optional<PartText> part;
    std::vector<bool> digests;  // by part
    MimeParser parser{*this};
};

SearchText::SearchText(SearchTextSink& sink) : state_(std::make_unique<State>(sink)) {}
SearchText::~SearchText() = default;
void SearchText::feed(std::string_view message) { state_->parser.feed(message); }
void SearchText::finish() {
    state_->parser.finish();
    state_->end_part();
}

}  // namespace posthorn::mail
