// The text of a message as search compares it.
#include <doctest/doctest.h>

#include "mail/mime/html_text.hpp"
#include "mail/mime/search_text.hpp"

using namespace posthorn::mail;

namespace {

std::string words_of(std::string_view html, std::size_t piece = 1000) {
    HtmlText text;
    std::string out;
    for (; !html.empty(); html.remove_prefix(std::min(piece, html.size()))) text.feed(html.substr(0, piece), out);
    text.finish(out);
    return out;
}

struct Gathered final : SearchTextSink {
    void field(std::string_view name, std::string_view value) override {
        head += std::string(name) + "=" + std::string(value) + "|";
    }
    void text(std::string_view piece) override { body += piece; }
    std::string head;
    std::string body;
};

Gathered text_of(std::string_view message, std::size_t piece = 100'000) {
    Gathered out;
    SearchText text(out);
    for (; !message.empty(); message.remove_prefix(std::min(piece, message.size())))
        text.feed(message.substr(0, piece));
    text.finish();
    return out;
}

}  // namespace

TEST_CASE("the words of an HTML text") {
    CHECK(words_of("<p>Hello <b>wor</b>ld</p>bye") == " Hello world bye");
    CHECK(words_of("a<br/>b<td>c") == "a b c");
    CHECK(words_of("<a href=\"x>y\" title='it>'>link</a>") == "link");
    CHECK(words_of("x<!-- a > b -- c -->y<!---->z") == "x y z");
    CHECK(words_of("1<style type=x>p{}</style>2<SCRIPT>if (a</b) \"</\"</sCript >3") == "1  2  3");
    CHECK(words_of("<header>h</header><scripts>s") == " h  s");
    CHECK(words_of("1</style>2</SCRIPT>3<style>x</style>4") == "1 2 3  4");  // an end without a start hides nothing
    CHECK(words_of("a < b & c <3 d<") == "a < b & c <3 d<");
    CHECK(words_of("&lt;b&gt; &amp;amp; &uuml;&Uuml;&#xe9;&#8364;&nbsp;.") ==
          "<b> &amp; \xc3\xbc\xc3\x9c\xc3\xa9\xe2\x82\xac\xc2\xa0.");
    CHECK(words_of("&unknown; &#xD800; &#99999999999; &; &am") == "&unknown; &#xD800; &#99999999999; &; &am");
    CHECK(words_of("&lt&lt;<b") == "&lt<");
    CHECK(words_of("<a " + std::string(20'000, 'x') + "> end").ends_with("x> end"));
    const std::string_view all = "<p>a&uuml;<!-- x --> b<script>1</scrip</script>c &x < d<i>e</i>f";
    for (std::size_t piece = 1; piece < all.size(); ++piece) CHECK(words_of(all, piece) == words_of(all));
}

TEST_CASE("texts are compared without case, accents decomposed, white space as one space") {
    CHECK(search_fold("Hello \t\r\n World") == "HELLO WORLD");
    CHECK(search_fold("\xc3\x9c"
                      "ber") == search_fold("\xc3\xbc"
                                            "BER"));
    CHECK(search_fold("u\xcc\x88") == search_fold("\xc3\x9c"));
    CHECK(search_fold("\xce\x91\xce\xb8\xce\xae\xce\xbd\xce\xb1") ==
          search_fold("\xce\xb1\xce\x98\xce\x89\xce\x9d\xce\x91"));
    CHECK(search_fold("a\xc2\xa0"
                      "b") == "A B");
    CHECK(search_fold("") == "");
}

TEST_CASE("header fields and texts of a message") {
    const std::string_view mail =
        "Subject: =?utf-8?b?R3LDvMOfZQ==?=\r\n to all\r\nContent-Type: multipart/mixed; boundary=\"b\"\r\n\r\n"
        "preamble\r\n--b\r\nContent-Type: text/plain; charset=iso-8859-1\r\n"
        "Content-Transfer-Encoding: quoted-printable\r\n\r\nbl=E5=\r\nb=E6r\r\n--b\r\n"
        "Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\nPGI+Ym9sZDwvYj4=\r\n"
        "--b\r\nContent-Type: image/png; name=cat.png\r\n\r\npicture\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n"
        "Subject: inner\r\n\r\ninside\r\n--b--\r\nepilogue\r\n";
    const auto got = text_of(mail);
    CHECK(got.head.starts_with("SUBJECT=" +
                               search_fold("Gr\xc3\xbc\xc3\x9f"
                                           "e to all") +
                               "|CONTENT-TYPE=MULTIPART/MIXED;"));
    CHECK(got.body.find(search_fold("bl\xc3\xa5"
                                    "b\xc3\xa6r")) != std::string::npos);
    CHECK(got.body.find("BOLD") != std::string::npos);
    CHECK(got.body.find("CAT.PNG") != std::string::npos);
    CHECK(got.body.find("SUBJECT: INNER") != std::string::npos);
    CHECK(got.body.find("INSIDE") != std::string::npos);
    CHECK(got.body.find("PICTURE") == std::string::npos);
    CHECK(got.body.find("<B>") == std::string::npos);
    for (const std::size_t piece : {1U, 2U, 7U, 50U}) {
        const auto again = text_of(mail, piece);
        CHECK(again.head == got.head);
        CHECK(again.body == got.body);
    }
}

TEST_CASE("a long text is decoded in pieces without a seam") {
    std::string body;
    for (int i = 0; i < 20'000; ++i) body += "caf\xe9 number " + std::to_string(i) + "\r\n";
    const auto got = text_of("Content-Type: text/plain; charset=windows-1252\r\n\r\n" + body);
    std::string utf8;
    for (const char c : body) utf8 += c == '\xe9' ? std::string("\xc3\xa9") : std::string(1, c);
    CHECK(got.body == search_fold(utf8));
    CHECK(text_of("\r\n" + std::string(1'000'000, 'x')).body == std::string(1'000'000, 'X'));
}
