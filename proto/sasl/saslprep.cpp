#include "proto/sasl/saslprep.hpp"

#include <gsasl.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/ascii.hpp"
#include "proto/sasl/server.hpp"

namespace posthorn::sasl {

namespace {

std::optional<std::string> prepared(const std::string& text, Gsasl_saslprep_flags flags) {
    char* made = nullptr;
    if (::gsasl_saslprep(text.c_str(), flags, &made, nullptr) != GSASL_OK) return std::nullopt;
    std::string out(made);
    ::explicit_bzero(made, out.size());
    ::gsasl_free(made);
    if (out.empty()) return std::nullopt;
    return out;
}

}  // namespace

std::optional<std::string> saslprep(std::string_view text, bool stored) {
    if (text.empty() || text.contains('\0')) return std::nullopt;
    std::string given(text);
    if (std::ranges::all_of(given, base::is_print)) return given;
    // libgsasl 2.2 refuses what is unassigned when it is told to allow it, and the other way round. With both it does not
    // matter which: what is assigned passes either way, the rest one of them.
    auto out = prepared(given, GSASL_ALLOW_UNASSIGNED);
    auto other = prepared(given, Gsasl_saslprep_flags{});
    wipe(given);
    const bool assigned = out && other;
    if (!out) std::swap(out, other);
    if (other) wipe(*other);
    if (out && stored && !assigned) {
        wipe(*out);
        return std::nullopt;
    }
    return out;
}

}  // namespace posthorn::sasl
