// Summaries of good and of broken mails.
#include "mail/summary.hpp"

#include <doctest/doctest.h>

#include <algorithm>

#include "base/msgpack.hpp"

using namespace posthorn::mail;

namespace {

Summary summarise(std::string_view message, std::size_t piece = 0) {
    SummaryBuilder builder;
    if (piece == 0) {
        builder.feed(message);
    } else {
        for (; !message.empty(); message.remove_prefix(std::min(piece, message.size())))
            builder.feed(message.substr(0, piece));
    }
    return builder.finish();
}

std::string crlf(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == '\n') out += '\r';
        out += c;
    }
    return out;
}

// "text/plain[10,20)2": the body's octets and its lines; children in parentheses.
std::string shape(const Summary& summary, std::uint32_t parent = MimePart::kNone) {
    std::string out;
    for (std::uint32_t i = 0; i < summary.parts.size(); ++i) {
        const auto& part = summary.parts[i];
        if (part.parent != parent) continue;
        if (!out.empty()) out += ' ';
        out += part.type + "/" + part.subtype;
        const auto inner = shape(summary, i);
        if (!inner.empty()) out += "(" + inner + ")";
    }
    return out;
}

std::string body(const std::string& message, const MimePart& part) {
    return message.substr(part.body, part.size());
}

const std::string kMixed = crlf(
    "From: Ann <a@example.org>\n"
    "To: b@example.net, List: c@d;\n"
    "Subject: Re: [l] hello\n"
    "Date: Sat, 21 Nov 2026 08:30:11 +0000\n"
    "Message-ID: <1@example.org>\n"
    "References: <r1@x>\n"
    " <r2@x>\n"
    "MIME-Version: 1.0\n"
    "Content-Type: multipart/mixed; boundary=\"outer\"\n"
    "\n"
    "preamble\n"
    "--outer\n"
    "Content-Type: multipart/alternative; boundary=outerinner\n"
    "\n"
    "--outerinner\n"
    "Content-Type: text/plain; charset=iso-8859-1\n"
    "Content-Transfer-Encoding: quoted-printable\n"
    "\n"
    "Gr=FC=DFe,\n"
    "\n"
    "Ann\n"
    "--outerinner\n"
    "Content-Type: text/html\n"
    "\n"
    "<b>x</b>\n"
    "--outerinner--\n"
    "--outer\n"
    "Content-Type: message/rfc822\n"
    "Content-Description: forwarded\n"
    "\n"
    "Subject: inner\n"
    "From: c@d\n"
    "\n"
    "inner text\n"
    "--outer\n"
    "Content-Type: image/png; name=\"a.png\"\n"
    "Content-Transfer-Encoding: base64\n"
    "Content-Disposition: attachment; filename=a.png\n"
    "Content-ID: <i@x>\n"
    "Content-MD5: abc\n"
    "Content-Language: de, en\n"
    "Content-Location: there\n"
    "\n"
    "iVBO\n"
    "--outer--\n"
    "epilogue\n");

}  // namespace

TEST_CASE("a message of many parts, in pieces of any size") {
    for (const std::size_t piece : {0UL, 1UL, 2UL, 3UL, 5UL, 64UL}) {
        CAPTURE(piece);
        const auto s = summarise(kMixed, piece);
        CHECK(shape(s) ==
              "multipart/mixed(multipart/alternative(text/plain text/html) message/rfc822(text/plain) image/png)");
        CHECK(s.complete);
        CHECK(s.size == kMixed.size());
        CHECK(s.lines == static_cast<std::uint64_t>(std::ranges::count(kMixed, '\n')));
        REQUIRE(s.parts.size() == 7);
        CHECK(body(kMixed, s.parts[2]) == "Gr=FC=DFe,\r\n\r\nAnn");
        CHECK(s.parts[2].lines == 2);
        CHECK(s.parts[2].header_lines == 3);
        CHECK(body(kMixed, s.parts[3]) == "<b>x</b>");
        CHECK(body(kMixed, s.parts[4]) == "Subject: inner\r\nFrom: c@d\r\n\r\ninner text");
        CHECK(s.parts[4].lines == 3);
        CHECK(body(kMixed, s.parts[5]) == "inner text");
        CHECK(body(kMixed, s.parts[6]) == "iVBO");
        CHECK(s.parts[6].end < kMixed.size());
        CHECK(s.parts[0].end == kMixed.size());
        CHECK(s.preview == "Grüße, Ann");
        CHECK(s.has_attachment);
    }
}

TEST_CASE("what a summary says of a message") {
    const auto s = summarise(kMixed);
    CHECK(s.envelope.subject == "Re: [l] hello");
    CHECK(s.envelope.date == "Sat, 21 Nov 2026 08:30:11 +0000");
    CHECK(s.envelope.sent == 1'795'249'811);
    CHECK(s.envelope.message_id == "<1@example.org>");
    REQUIRE(s.envelope.to.size() == 4);
    CHECK(s.envelope.to[0].local == "b");
    CHECK(s.envelope.to[1].kind == ListedAddress::Kind::group_begin);
    CHECK(s.thread.base_subject == "hello");
    CHECK(s.thread.answer);
    CHECK(s.thread.references == std::vector<std::string>{"<r1@x>", "<r2@x>"});
    const auto& nested = s.parts[4];
    REQUIRE(nested.envelope);
    CHECK(nested.envelope->subject == "inner");
    CHECK(nested.envelope->from.size() == 1);
    CHECK(nested.description == "forwarded");
    const auto& image = s.parts[6];
    CHECK(image.disposition == "attachment");
    CHECK(image.disposition_parameters == MimeParameters{{"filename", "a.png"}});
    CHECK(image.parameters == MimeParameters{{"name", "a.png"}});
    CHECK(image.id == "<i@x>");
    CHECK(image.md5 == "abc");
    CHECK(image.language == std::vector<std::string>{"de", "en"});
    CHECK(image.location == "there");
    CHECK(image.encoding == "base64");
}

TEST_CASE("summaries as blobs") {
    const auto blob = encode_summary(summarise(kMixed));
    const auto again = decode_summary(blob);
    REQUIRE(again);
    CHECK(encode_summary(*again) == blob);
    CHECK(again->envelope == summarise(kMixed).envelope);
    CHECK(again->thread == summarise(kMixed).thread);
    CHECK(shape(*again) == shape(summarise(kMixed)));
    for (std::size_t size = 0; size < blob.size(); ++size) CHECK_FALSE(decode_summary(blob.substr(0, size)));
    CHECK_FALSE(decode_summary(blob + "x"));
    posthorn::base::MsgpackWriter newer;
    newer.array(9);
    newer.uinteger(99);
    for (int i = 0; i < 8; ++i) newer.nil();
    const auto refused = decode_summary(newer.bytes());
    REQUIRE_FALSE(refused);
    CHECK(refused.error().log_text.find("version 99") != std::string::npos);
}

TEST_CASE("keys of a thread") {
    const auto keys = thread_keys(summarise(kMixed).thread);
    CHECK(keys == std::vector<std::string>{"<r1@x> hello", "<r2@x> hello", "<1@example.org> hello"});
    CHECK(thread_keys(summarise("Subject: x\n\n").thread).empty());
}

TEST_CASE("plain messages and empty ones") {
    CHECK(shape(summarise("")) == "text/plain");
    CHECK(shape(summarise("\r\n")) == "text/plain");
    const auto s = summarise("Subject: x\r\n\r\nhello\r\n");
    CHECK(s.parts[0].body == 14);
    CHECK(s.parts[0].end == 21);
    CHECK(s.parts[0].lines == 1);
    CHECK(s.preview == "hello");
    CHECK_FALSE(s.has_attachment);
    CHECK(summarise("Subject: no end").envelope.subject == "no end");
    CHECK(summarise("Subject: no end").parts[0].size() == 0);
    CHECK(summarise("In-Reply-To: <a@b>\n\n").thread.references == std::vector<std::string>{"<a@b>"});
    CHECK(summarise("Content-Type: text/html\n\n<p>Hi</p>").preview == "Hi");
    CHECK(summarise("\nbare\nLF\n").parts[0].lines == 2);
}

TEST_CASE("headers that are broken") {
    const auto s = summarise(
        "From nobody Sat Nov 21 08:30:11 2026\nno field at all\n : nor this\nSubject : \xE9\x00 x\r\r\n"
        "Subject: second\nTo\n: a@b\nCC: a@b\nCc: c@d\nContent-Type: nonsense\n\nx");
    CHECK(s.envelope.subject == "\xE9");  // the C++ string ends at the NUL
    const std::string_view nul("Subject: a\0b\rc\r\n\r\n", 18);
    CHECK(summarise(nul).envelope.subject == "abc");
    CHECK(summarise("CC: a@b\nCc: c@d\n\n").envelope.cc.size() == 2);
    CHECK(shape(summarise("Content-Type: nonsense\n\nx")) == "text/plain");
    CHECK(shape(summarise("Content-Type: \"; boundary\n\nx")) == "text/plain");
    CHECK(summarise("Subject: first\nSubject: second\n\n").envelope.subject == "first");
}

TEST_CASE("boundaries that are missing or odd") {
    const auto mixed = [](std::string_view body) {
        return summarise("Content-Type: multipart/mixed; boundary=b\n\n" + std::string(body));
    };
    CHECK(shape(summarise("Content-Type: multipart/mixed\n\n--\nx")) == "text/plain");
    CHECK(shape(mixed("no boundary")) == "text/plain");
    CHECK_FALSE(mixed("no boundary").complete);
    CHECK(shape(mixed("--b\n\nopen")) == "multipart/mixed(text/plain)");
    CHECK_FALSE(mixed("--b\n\nopen").complete);
    CHECK(mixed("--b\n\nopen").preview == "open");
    CHECK(shape(mixed("--b")) == "multipart/mixed(text/plain)");
    CHECK(shape(mixed("--b--")) == "text/plain");
    CHECK(shape(mixed("--b--\n--b\n\nx")) == "text/plain");
    CHECK(shape(mixed("--b \t\n\nx\n--b--  \n")) == "multipart/mixed(text/plain)");
    CHECK(mixed("--b\n\nx\n--b--").complete);
    // A header that runs into its boundary.
    CHECK(shape(mixed("--b\nContent-Type: text/html\n--b\n\ny\n--b--\n")) ==
          "multipart/mixed(text/html text/plain)");
    CHECK(shape(mixed("--b\nContent-Type: message/rfc822\n--b\n\ny\n--b--\n")) ==
          "multipart/mixed(message/rfc822(text/plain) text/plain)");
    CHECK(shape(mixed("--b\nContent-Type: message/rfc822\n--b")) ==
          "multipart/mixed(message/rfc822(text/plain) text/plain)");
    CHECK(shape(mixed("-\n--\n-b\n--c\n--b\n\n-\n--\n---b\n--b--")) == "multipart/mixed(text/plain)");
    // The inner multipart never ends: the outer boundary ends it.
    CHECK(shape(mixed("--b\nContent-Type: multipart/x; boundary=in\n\n--in\n\n1\n--b\n\n2\n--b--\n")) ==
          "multipart/mixed(multipart/x(text/plain) text/plain)");
    // A boundary that begins like the one around it, and the other way round.
    CHECK(shape(mixed("--b\nContent-Type: multipart/x; boundary=bb\n\n--bb\n\n1\n--bb--\n--b\n\n2\n--b--\n")) ==
          "multipart/mixed(multipart/x(text/plain) text/plain)");
    const std::string around = "Content-Type: multipart/mixed; boundary=bb\n\n--bb\n";
    CHECK(shape(summarise(around +
                          "Content-Type: multipart/x; boundary=b\n\n--b\n\n1\n--b--\n--bb\n\n2\n--bb--\n")) ==
          "multipart/mixed(multipart/x(text/plain) text/plain)");
}

TEST_CASE("digests hold messages") {
    const auto s = summarise("Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: one\n\nx\n--b--\n");
    CHECK(shape(s) == "multipart/digest(message/rfc822(text/plain))");
    CHECK(s.parts[1].envelope->subject == "one");
}

TEST_CASE("what is an attachment") {
    const auto one = [](std::string_view fields) {
        return summarise(std::string(fields) + "\n\nx").has_attachment;
    };
    CHECK_FALSE(one("Content-Type: text/plain"));
    CHECK(one("Content-Type: text/plain; name=a.txt"));
    CHECK(one("Content-Type: text/plain\nContent-Disposition: attachment"));
    CHECK_FALSE(one("Content-Type: image/png\nContent-Disposition: inline"));
    CHECK(one("Content-Type: application/pdf"));
    CHECK_FALSE(one("Content-Type: application/pgp-signature; name=x"));
    CHECK_FALSE(summarise("Content-Type: multipart/related; boundary=b\n\n--b\nContent-Type: image/png\n"
                          "Content-ID: <x>\n\nx\n--b--")
                    .has_attachment);
}

TEST_CASE("ten thousand parts in each other, ten thousand beside each other") {
    std::string deep;
    for (int i = 0; i < 10'000; ++i) {
        const auto name = "b" + std::to_string(i) + "e";
        deep += "Content-Type: multipart/mixed; boundary=" + name + "\n\n--" + name + "\n";
    }
    const auto s = summarise(deep);
    CHECK(s.parts.size() == SummaryLimits::depth);
    CHECK_FALSE(s.complete);
    CHECK(decode_summary(encode_summary(s)));

    std::string messages;
    for (int i = 0; i < 10'000; ++i) messages += "Content-Type: message/rfc822\nSubject: x\n\n";
    CHECK(summarise(messages).parts.size() == SummaryLimits::depth);
    CHECK(decode_summary(encode_summary(summarise(messages))));

    std::string wide = "Content-Type: multipart/mixed; boundary=b\n\n";
    for (int i = 0; i < 10'000; ++i) wide += "--b\n\n" + std::to_string(i) + "\n";
    const auto w = summarise(wide + "--b--\n");
    CHECK(w.parts.size() == SummaryLimits::parts);
    CHECK(w.parts.back().end == w.size);
    CHECK(decode_summary(encode_summary(w)));
}

TEST_CASE("what a summary keeps is bounded") {
    std::string message = "To: ";
    for (int i = 0; i < 200'000; ++i)
        message += "\"a name that is long\" <somebody" + std::to_string(i) + "@x>,\n ";
    message += "\n";
    for (int i = 0; i < 1000; ++i) message += "Content-Language: " + std::string(1000, 'x') + "\nSubject: x\n";
    const auto s = summarise(message);
    CHECK_FALSE(s.complete);
    CHECK(s.envelope.to.size() <= SummaryLimits::addresses);
    CHECK(encode_summary(s).size() < SummaryLimits::blob);
    CHECK(decode_summary(encode_summary(s)));

    std::string many = "Content-Type: multipart/mixed; boundary=b\n\n";
    const std::string fat = "--b\nContent-Type: a/b; x=" + std::string(60'000, 'y') + "\nContent-ID: z\n\n\n";
    for (int i = 0; i < 900; ++i) many += fat;
    const auto m = summarise(many);
    CHECK(m.parts.size() == 901);
    CHECK(encode_summary(m).size() < SummaryLimits::blob);
    CHECK(decode_summary(encode_summary(m)));
}

TEST_CASE("a single line of 100 MB, as body and as header") {
    const std::string piece(64 * 1024, '-');
    for (const std::string_view begin : {"Content-Type: multipart/x; boundary=--------\n\n--", "Subject: "}) {
        SummaryBuilder builder;
        builder.feed(begin);
        for (int i = 0; i < 1600; ++i) builder.feed(piece);
        const auto s = builder.finish();
        CHECK(s.size == begin.size() + 1600 * piece.size());
        CHECK(s.envelope.subject.size() <= SummaryLimits::field);
        CHECK(encode_summary(s).size() < 200'000);
    }
}
