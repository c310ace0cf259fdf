// The content transfer encodings of RFC 2045 §6, decoded as the octets stream by. Lenient: what is no digit of
// base64 is skipped, a broken escape of quoted-printable stays as it is.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace posthorn::mail {

enum class TransferEncoding : std::uint8_t { identity, base64, quoted_printable };

// identity for 7bit, 8bit, binary and whatever we do not know.
TransferEncoding transfer_encoding(std::string_view name);

class TransferDecoder {
public:
    explicit TransferDecoder(TransferEncoding encoding = TransferEncoding::identity) : encoding_(encoding) {}

    // Appends what is decoded; never more octets than came in, and those held back before (a line's end spaces).
    void decode(std::string_view bytes, std::string& out);
    void finish(std::string& out);

private:
    void base64(std::string_view bytes, std::string& out);
    void quoted(char c, std::string& out);

    TransferEncoding encoding_;
    std::uint32_t value_ = 0;
    int bits_ = 0;
    std::string escape_;  // quoted-printable: "=", "=A", "=\r" so far
    std::string spaces_;  // quoted-printable: white space that may end the line (RFC 2045 §6.7 (3))
};

}  // namespace posthorn::mail
