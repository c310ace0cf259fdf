#include "proto/pop3/transparency.hpp"

namespace posthorn::pop3 {

void Transparency::feed(std::string_view bytes, std::string& out) {
    while (!bytes.empty() && !done_) {
        if (last_ == '\n') {
            if (bytes.front() == '.') out += '.';
            empty_ = true;
        }
        const auto lf = bytes.find('\n');
        const auto text = bytes.substr(0, lf);
        out += text;
        empty_ = empty_ && (text.empty() || text == "\r");
        if (!text.empty()) last_ = text.back();
        if (lf == std::string_view::npos) return;
        out += last_ == '\r' ? "\n" : "\r\n";
        last_ = '\n';
        line_over();
        bytes.remove_prefix(lf + 1);
    }
}

void Transparency::line_over() {
    if (!lines_) return;
    if (in_body_) {
        --*lines_;
    } else if (empty_) {
        in_body_ = true;
    }
    done_ = in_body_ && *lines_ == 0;
}

void Transparency::finish(std::string& out) {
    if (last_ == '\r')
        out += '\n';
    else if (last_ != '\n')
        out += "\r\n";
    out += ".\r\n";
}

}  // namespace posthorn::pop3
