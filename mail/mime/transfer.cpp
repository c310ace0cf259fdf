#include "mail/mime/transfer.hpp"

#include "base/ascii.hpp"

namespace posthorn::mail {
namespace {

constexpr std::size_t kMaxSpaces = 1000;  // a line of quoted-printable has 76 octets

int base64_digit(char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    if (c == '+') return 62;
    return c == '/' ? 63 : -1;
}

}  // namespace

TransferEncoding transfer_encoding(std::string_view name) {
    if (base::iequals(name, "base64")) return TransferEncoding::base64;
    if (base::iequals(name, "quoted-printable")) return TransferEncoding::quoted_printable;
    return TransferEncoding::identity;
}

void TransferDecoder::decode(std::string_view bytes, std::string& out) {
    switch (encoding_) {
        case TransferEncoding::identity: out += bytes; break;
        case TransferEncoding::base64: base64(bytes, out); break;
        case TransferEncoding::quoted_printable:
            for (const char c : bytes) quoted(c, out);
            break;
    }
}

// Padding ends a quantum, not the text: some senders encode line by line.
void TransferDecoder::base64(std::string_view bytes, std::string& out) {
    for (const char c : bytes) {
        if (c == '=') {
            bits_ = 0;
            continue;
        }
        const int digit = base64_digit(c);
        if (digit < 0) continue;
        value_ = ((value_ << 6) | static_cast<std::uint32_t>(digit)) & 0xFFFFFF;
        bits_ += 6;
        if (bits_ < 8) continue;
        bits_ -= 8;
        out += static_cast<char>((value_ >> bits_) & 0xFFU);
    }
}

void TransferDecoder::quoted(char c, std::string& out) {
    if (!escape_.empty()) {
        if (c == '\n' && (escape_ == "=" || escape_ == "=\r")) return escape_.clear();  // a soft line break
        if (escape_ == "=" && (c == '\r' || base::hex_digit(c) >= 0)) {
            escape_ += c;
            return;
        }
        if (escape_.size() == 2 && base::hex_digit(escape_[1]) >= 0 && base::hex_digit(c) >= 0) {
            out += static_cast<char>(base::hex_digit(escape_[1]) * 16 + base::hex_digit(c));
            return escape_.clear();
        }
        out += escape_;
        escape_.clear();
    }
    if (c == ' ' || c == '\t') {
        if (spaces_.size() < kMaxSpaces) {
            spaces_ += c;
            return;
        }
    } else if (c == '\r' || c == '\n') {
        spaces_.clear();
    }
    out += spaces_;
    spaces_.clear();
    if (c == '=')
        escape_ = "=";
    else
        out += c;
}

void TransferDecoder::finish(std::string& out) {
    out += escape_;
    escape_.clear();
    spaces_.clear();
    bits_ = 0;
}

}  // namespace posthorn::mail
