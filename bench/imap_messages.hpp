// The messages that bench/imap is about: about 4 KiB each, by number always the same. Every fourth has two parts, every
// third answers another; "quarterly" stands in the subject of one in fifty, "walrus" in the text of one in a hundred.
#pragma once

#include <array>
#include <string>
#include <string_view>

namespace posthorn::bench {

inline std::string imap_message(std::size_t number) {
    static constexpr std::array<std::string_view, 24> kWords = {
        "meeting", "budget", "release", "travel",  "contract", "review",  "photo",   "invoice",
        "garden",  "ticket", "server",  "lecture", "holiday",  "project", "kitchen", "music",
        "letter",  "office", "bicycle", "autumn",  "question", "answer",  "report",  "weather"};
    constexpr std::size_t kSize = 4096;
    std::size_t state = number * 2654435761U + 12345;
    const auto word = [&state] {
        state = state * 6364136223846793005U + 1442695040888963407U;
        return kWords[(state >> 33U) % kWords.size()];
    };
    const auto id = [](std::size_t n) { return "<" + std::to_string(n) + ".bench@example.org>"; };
    const auto text = [&](std::string& out, std::size_t until) {
        while (out.size() < until) {
            const auto line = out.size();
            while (out.size() - line < 64) (out += word()) += ' ';
            out += "\r\n";
        }
    };
    const bool parts = number % 4 == 0;
    std::string out;
    out.reserve(kSize + 200);
    (out +=
     "Received: from client.example.org (client.example.org [192.0.2.7]) by mx.example.net with ESMTPS id ") +=
        std::to_string(number) + "; Sat, 21 Nov 2026 12:00:00 +0000\r\n";
    ((out += "From: ") += word()) += " <" + std::string(word()) + "@example.org>\r\n";
    out += "To: Bench <bench@example.net>, \"Other, " + std::string(word()) + "\" <other@example.net>\r\n";
    out += "Cc: list@example.net\r\nDate: Sat, 21 Nov 2026 12:" + std::string(number % 60 < 10 ? "0" : "") +
           std::to_string(number % 60) + ":00 +0000\r\n";
    out += "Subject: " + std::string(number % 3 == 0 ? "Re: " : "") +
           std::string(number % 50 == 0 ? "quarterly " : "");
    ((((out += word()) += ' ') += word()) += ' ') += std::to_string(number - number % 3) + "\r\n";
    out += "Message-ID: " + id(number) + "\r\n";
    if (number % 3 == 0) out += "In-Reply-To: " + id(number / 3) + "\r\nReferences: " + id(number / 3) + "\r\n";
    out += "MIME-Version: 1.0\r\nUser-Agent: bench\r\n";
    if (parts) out += "Content-Type: multipart/mixed; boundary=\"edge\"\r\n\r\n--edge\r\n";
    out += "Content-Type: text/plain; charset=utf-8\r\n\r\n";
    if (number % 100 == 0) out += "There was a walrus in it.\r\n";
    if (parts) {
        text(out, kSize / 2);
        out +=
            "\r\n--edge\r\nContent-Type: text/html; charset=utf-8\r\nContent-Disposition: attachment; "
            "filename=\"more.html\"\r\n\r\n<p>\r\n";
    }
    text(out, kSize - (parts ? 12 : 0));
    if (parts) out += "--edge--\r\n";
    return out;
}

}  // namespace posthorn::bench
