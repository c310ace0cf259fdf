#include "proto/smtp/server_reply.hpp"

namespace posthorn::smtp {
namespace {

constexpr std::size_t kMaxText = 480;  // octets: leaves room for code, status and CRLF within 512

void append_line(std::string& out, int code, char separator, std::string_view status, std::string_view text) {
    out += static_cast<char>('0' + code / 100 % 10);
    out += static_cast<char>('0' + code / 10 % 10);
    out += static_cast<char>('0' + code % 10);
    out += separator;
    if (!status.empty()) {
        out += status;
        out += ' ';
    }
    const auto start = out.size();
    out += text.substr(0, kMaxText);
    for (auto i = start; i < out.size(); ++i) {
        if (static_cast<unsigned char>(out[i]) < ' ' || out[i] == '\x7f') out[i] = ' ';
    }
    out += "\r\n";
}

}  // namespace

void append_reply(std::string& out, int code, std::string_view status, std::string_view text) {
    while (true) {
        const auto end = text.find('\n');
        if (end == std::string_view::npos) break;
        append_line(out, code, '-', status, text.substr(0, end));
        text.remove_prefix(end + 1);
    }
    append_line(out, code, ' ', status, text);
}

}  // namespace posthorn::smtp
