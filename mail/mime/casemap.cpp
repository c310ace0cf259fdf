#include "mail/mime/casemap.hpp"

#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <array>

#include "base/ascii.hpp"

namespace posthorn::mail {
namespace {

void append(std::string& out, UChar32 c) {
    std::array<char, U8_MAX_LENGTH> octets{};
    std::int32_t length = 0;
    UBool error = 0;
    U8_APPEND(octets.data(), length, static_cast<std::int32_t>(octets.size()), c, error);
    if (error == 0) out.append(octets.data(), static_cast<std::size_t>(length));
}

// RFC 5051 §2: decomposed as far as it goes, with what is only a likeness (compatibility), too.
void append_decomposed(std::string& out, const UNormalizer2* normalizer, UChar32 c) {
    std::array<UChar, 64> units{};
    UErrorCode status = U_ZERO_ERROR;
    const auto length = unorm2_getDecomposition(normalizer, c, units.data(), units.size(), &status);
    if (length < 0 || U_FAILURE(status)) return append(out, c);
    for (std::int32_t at = 0; at < length;) {
        UChar32 part = 0;
        U16_NEXT(units.data(), at, length, part);
        append(out, part);
    }
}

}  // namespace

std::string casemap(std::string_view utf8, std::size_t limit) {
    utf8 = utf8.substr(0, limit);
    if (std::ranges::all_of(utf8, [](char c) { return static_cast<unsigned char>(c) < 0x80; }))
        return base::upper(utf8);
    UErrorCode status = U_ZERO_ERROR;
    const auto* normalizer = unorm2_getNFKDInstance(&status);
    if (U_FAILURE(status)) return base::upper(utf8);
    std::string out;
    const auto size = static_cast<std::int32_t>(utf8.size());
    for (std::int32_t at = 0; at < size;) {
        UChar32 c = 0;
        U8_NEXT_OR_FFFD(utf8.data(), at, size, c);
        append_decomposed(out, normalizer, u_totitle(c));
    }
    return out;
}

}  // namespace posthorn::mail
