// Mails of anybody: a summary does not depend on how the octets were cut, keeps its bounds, and comes back from its
// blob as it was; a blob of anybody is refused or holds together.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "mail/mime/content.hpp"
#include "mail/mime/encoded_word.hpp"
#include "mail/summary.hpp"

using namespace posthorn::mail;

namespace {

Summary summarise(std::string_view message, std::size_t piece) {
    SummaryBuilder builder;
    for (; !message.empty(); message.remove_prefix(std::min(piece, message.size())))
        builder.feed(message.substr(0, piece));
    return builder.finish();
}

void check(bool holds) {
    if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    const auto whole = summarise(bytes, std::max<std::size_t>(1, size));
    const auto blob = encode_summary(whole);
    check(blob == encode_summary(summarise(bytes, 1)));
    check(blob == encode_summary(summarise(bytes, 7)));
    check(whole.size == size && whole.parts.size() <= SummaryLimits::parts && blob.size() <= SummaryLimits::blob);
    const auto again = decode_summary(blob);
    check(again && encode_summary(*again) == blob);
    for (const auto& part : whole.parts) {
        check(part.header <= part.body && part.body <= part.end && part.end <= size);
        for (const auto& [name, value] : part.parameters) static_cast<void>(parameter(part.parameters, name));
    }
    static_cast<void>(decode_words(bytes));
    if (const auto read = decode_summary(bytes)) check(decode_summary(encode_summary(*read)).has_value());
    return 0;
}
