// What stands in the fields of a header: addresses, dates, encoded words, parameters, subjects.
#include <doctest/doctest.h>

#include "mail/date.hpp"
#include "mail/mime/addresses.hpp"
#include "mail/mime/charset.hpp"
#include "mail/mime/content.hpp"
#include "mail/mime/encoded_word.hpp"
#include "mail/mime/preview.hpp"
#include "mail/mime/subject.hpp"
#include "mail/mime/transfer.hpp"

using namespace posthorn::mail;
using Kind = ListedAddress::Kind;

namespace {

std::string text_of(const std::vector<ListedAddress>& list) {
    std::string out;
    for (const auto& one : list) {
        if (!out.empty()) out += ' ';
        if (one.kind == Kind::group_begin) out += one.name + ":{";
        if (one.kind == Kind::group_end) out += "}";
        if (one.kind == Kind::mailbox) out += "[" + one.name + "|" + one.local + "|" + one.domain + "]";
    }
    return out;
}

std::string listed(std::string_view field) { return text_of(parse_listed(field)); }

std::string decoded(TransferEncoding encoding, std::string_view text, std::size_t piece) {
    TransferDecoder decoder(encoding);
    std::string out;
    for (; !text.empty(); text.remove_prefix(std::min(piece, text.size())))
        decoder.decode(text.substr(0, piece), out);
    decoder.finish(out);
    return out;
}

}  // namespace

TEST_CASE("addresses as they are shown") {
    CHECK(listed("a@b.example") == "[|a|b.example]");
    CHECK(listed("Ann <a@b>, \"Bob, Jr.\" <\"b b\"@c> , c@d (Cee (the third))") ==
          "[Ann|a|b] [Bob, Jr.|b b|c] [Cee (the third)|c|d]");
    CHECK(listed("A \"quoted\\\" name\" Z <a@[IPv6:2001:db8::1]>") == "[A quoted\" name Z|a|[IPv6:2001:db8::1]]");
    CHECK(listed("Friends: a@b, Cee <c@d>;, e@f") == "Friends:{ [|a|b] [Cee|c|d] } [|e|f]");
    CHECK(listed("undisclosed-recipients:;") == "undisclosed-recipients:{ }");
    CHECK(listed("open: a@b") == "open:{ [|a|b] }");
    CHECK(listed("<@x.example,@y.example:a@b>") == "[|a|b]");
    CHECK(listed("a . b @ c . d (spaces of long ago)") == "[spaces of long ago|a.b|c.d]");
    CHECK(listed("=?utf-8?q?J=C3=B6rg?= <j@b>") == "[=?utf-8?q?J=C3=B6rg?=|j|b]");
    CHECK(listed("root") == "[|root|]");
    CHECK(listed("two words") == "[|two words|]");
    CHECK(listed("\"a@b\" <c@d>") == "[a@b|c|d]");
    CHECK(listed("\"a@b\"@c") == "[|a@b|c]");
    CHECK(listed(" , ;, ") == "");
    CHECK(listed("<>") == "");
    CHECK(listed("open <a@b") == "[open|a|b]");
    CHECK(listed("\"open <a@b>") == "[|open <a@b>|]");
    CHECK(listed("(open") == "");
    CHECK(parse_listed("a@b, c@d, e@f", 2).size() == 2);
}

TEST_CASE("message ids") {
    CHECK(parse_message_ids("<a@b> <c@d>\t<e@f>") == std::vector<std::string>{"<a@b>", "<c@d>", "<e@f>"});
    CHECK(parse_message_ids("Your message of today <a @ b> \"x\"") == std::vector<std::string>{"<a@b>"});
    CHECK(parse_message_ids("<1@x><2@x><3@x><4@x>", 3) == std::vector<std::string>{"<1@x>", "<3@x>", "<4@x>"});
    CHECK(parse_message_ids("none <> <open").empty());
}

TEST_CASE("dates of a header") {
    const auto at = [](std::string_view text) { return parse_date(text); };
    CHECK(at("Sat, 21 Nov 2026 08:30:11 +0000") == Date{1'795'249'811, 0});
    CHECK(at("Sat, 21 Nov 2026 09:30:11 +0100") == Date{1'795'249'811, 60});
    CHECK(at("21 Nov 26 03:30 EST (with a (nested) comment)") == Date{1'795'249'811 - 11, -300});
    CHECK(at("Sat,21 nov 2026 08:30:11 GMT") == Date{1'795'249'811, 0});
    CHECK(at("Thu, 1 Jan 70 00:00:00 -0000") == Date{0, 0});
    CHECK(at("Tue, 29 Feb 2000 00:00:60 +0530") == Date{951'782'459 - 19'800, 330});
    CHECK_FALSE(at("Tue, 29 Feb 2001 00:00:00 +0000"));
    CHECK_FALSE(at("Tue, 29 Foo 2000 00:00:00 +0000"));
    CHECK_FALSE(at("Tue, 32 Jan 2000 00:00:00 +0000"));
    CHECK_FALSE(at("Tue, 1 Jan 2000 25:00:00 +0000"));
    CHECK_FALSE(at("yesterday"));
    CHECK_FALSE(at(""));
    CHECK_FALSE(at(std::string(100'000, '(')));
}

TEST_CASE("encoded words") {
    CHECK(decode_words("plain") == "plain");
    CHECK(decode_words("=?iso-8859-1?q?Andr=E9?= Pirard") == "André Pirard");
    CHECK(decode_words("=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?=\t"
                       "=?ISO-8859-2?B?dSB1bmRlcnN0YW5kIHRoZSBleGFtcGxlLg==?=") ==
          "If you can read this you understand the example.");
    CHECK(decode_words("(=?ISO-8859-1?Q?a?= b)") == "(a b)");
    CHECK(decode_words("=?utf-8*en?q?a_b?=") == "a b");
    // A character cut in two.
    CHECK(decode_words("=?utf-8?q?=C3?= =?utf-8?q?=B6?=") == "ö");
    CHECK(decode_words("=?koi8-r?B?8NLJ18XU?=") == "Привет");
    CHECK(decode_words("=?iso-2022-jp?B?GyRCRnxLXBsoQg==?=") == "日本");
    CHECK(decode_words("=?no-such?q?a=E9?=") == "aé");
    CHECK(decode_words("=?utf-8?q?=FF?=") == "\xEF\xBF\xBD");
    CHECK(decode_words("caf\xE9") == "café");
    CHECK(decode_words("café") == "café");
    CHECK(decode_words("=?utf-8?x?a?= =?utf-8?q?open") == "=?utf-8?x?a?= =?utf-8?q?open");
    CHECK(decode_words("=?utf-8?q?a=0D=0Ab?=") == "a  b");
}

TEST_CASE("charsets") {
    CHECK(known_charset("utf-8"));
    CHECK(known_charset("GB18030"));
    CHECK_FALSE(known_charset("no-such"));
    CHECK_FALSE(known_charset("../../etc/passwd"));
    CHECK_FALSE(known_charset(std::string(1000, 'a')));
    CHECK(to_utf8("utf-16le", std::string_view("\x3D\xD8\x00\xDE", 4)) == "😀");
    CHECK(to_utf8("utf-16le", std::string_view("\x3D\xD8\x41\x00", 4)) ==
          "\xEF\xBF\xBD"
          "A");
    CHECK(to_utf8("windows-1252", std::string(5000, '\x80')).size() == 15'000);
}

TEST_CASE("parameters of RFC 2231") {
    const auto name = [](std::string_view field) {
        return parameter(parse_content_field(field).parameters, "name").value_or("-");
    };
    CHECK(name("a/b; name=plain.txt") == "plain.txt");
    CHECK(name("a/b; NAME=\"two words.txt\"; x=y") == "two words.txt");
    CHECK(name("a/b; name=two words.txt ; x=y") == "two words.txt");
    CHECK(name("a/b;; name = \"a\\\"b;c\" (comment; with (nest))") == "a\"b;c");
    CHECK(name("a/b; name*=us-ascii'en-us'This%20is%20%2A%2A%2Afun%2A%2A%2A") == "This is ***fun***");
    CHECK(name("a/b; name*1=b.txt; name*0=\"a \"") == "a b.txt");
    CHECK(name("a/b; name*0*=iso-8859-1''%E4; name*1*=%F6; name*2=\" end\"") == "äö end");
    CHECK(name("a/b; name*0=a; name*2=c") == "a");
    CHECK(name("a/b; name=\"=?utf-8?q?=C3=B6.txt?=\"") == "ö.txt");
    CHECK(name("a/b; name*=%zz%4") == "%zz%4");
    CHECK(name("a/b; name") == "-");
    CHECK(name("a/b; =x; name=y") == "y");
    CHECK(name("a/b; name=\"open") == "open");
    CHECK(parse_content_field(" Text / PLAIN (really); charset=x").value == "text/plain");
    std::string many = "a/b";
    for (int i = 0; i < 1000; ++i) many += "; p" + std::to_string(i) + "=v";
    CHECK(parse_content_field(many).parameters.size() == SummaryLimits::parameters);
}

TEST_CASE("base subjects of RFC 5256") {
    const auto base = [](std::string_view text) { return base_subject(text).text; };
    CHECK(base("Re: hello") == "hello");
    CHECK(base("RE: FW : Fwd: hello  world (fwd) (FWD)") == "hello world");
    CHECK(base("[list] Re[4]: hello") == "hello");
    CHECK(base("Re [4]: hello") == "hello");
    CHECK(base("[list] Re: [list] hello") == "hello");
    CHECK(base("[only a blob]") == "[only a blob]");
    CHECK(base("[fwd: Re: hello]") == "hello");
    CHECK(base("=?utf-8?q?Re=3A_h=C3=B6?=") == "hö");
    CHECK(base("Re:") == "");
    CHECK(base("regarding: x") == "regarding: x");
    CHECK(base_subject("Re: x").answer);
    CHECK_FALSE(base_subject("x").answer);
    CHECK(base(std::string(100'000, '[')).size() <= 2048);
}

TEST_CASE("transfer encodings, in pieces of any size") {
    for (const std::size_t piece : {1UL, 2UL, 3UL, 7UL, 1000UL}) {
        CAPTURE(piece);
        CHECK(decoded(TransferEncoding::base64, "SGVs\r\nbG8=\r\nIQ==", piece) == "Hello!");
        CHECK(decoded(TransferEncoding::base64, "S*G V!s", piece) == "Hel");
        CHECK(decoded(TransferEncoding::quoted_printable, "a=3Db=\r\nc  \r\nd=zz=4", piece) == "a=bc\r\nd=zz=4");
        CHECK(decoded(TransferEncoding::quoted_printable, "a b=\nc", piece) == "a bc");
        CHECK(decoded(TransferEncoding::identity, "a=3D", piece) == "a=3D");
    }
    CHECK(transfer_encoding("BASE64") == TransferEncoding::base64);
    CHECK(transfer_encoding("x-uuencode") == TransferEncoding::identity);
}

TEST_CASE("previews") {
    CHECK(preview_of("  Hello\r\n\r\n  world \x01 ", false, 256) == "Hello world");
    CHECK(preview_of("äöüß", false, 3) == "äöü");
    CHECK(preview_of("<html><head><title>T</title><style>p{}</style></head><body><!-- c --><p>Tom &amp;&nbsp;Anna "
                     "<script>if (a<b) x</script>&lt;3 &unknown;</p>",
                     true, 256) == "Tom & Anna <3 &unknown;");
    CHECK(preview_of("a <b", true, 256) == "a");
    CHECK(preview_of("<header>x</header>", true, 256) == "x");
    CHECK(preview_of("<3", false, 256) == "<3");
}
