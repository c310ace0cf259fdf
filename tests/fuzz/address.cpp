// Addresses, domains, ORCPT: what is parsed prints to what parses to the same, and holds nothing that could end a
// command or a header line.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/ascii.hpp"
#include "mail/address.hpp"
#include "mail/dsn_fields.hpp"
#include "mail/xtext.hpp"

using namespace posthorn;

namespace {

void require(bool condition) {
    if (!condition) std::abort();
}

bool one_line(std::string_view text) {
    for (const char c : text) {
        if (base::is_ascii(c) && !base::is_print(c)) return false;
    }
    return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    if (const auto address = mail::parse_address(text)) {
        const auto printed = address->to_string();
        require(one_line(printed));
        require(mail::parse_address(printed) == address);
        require(!mail::domain_key(address->domain).empty());
        require(mail::same_mailbox(*address, *address));
    }
    if (const auto key = mail::domain_key(text); !key.empty()) require(mail::domain_key(key) == key);
    if (const auto original = mail::parse_orcpt(text)) {
        require(mail::xtext_decode(mail::xtext_encode(original->address)) == original->address);
    }
    const auto field = mail::header_field("X", text, true);
    require(field.ends_with("\r\n"));
    for (std::size_t at = 0; at + 2 < field.size(); ++at) {
        if (field[at] == '\n') require(field[at + 1] == ' ');
    }
    return 0;
}
