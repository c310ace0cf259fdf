#include "proto/smtp/reply_parser.hpp"

#include <doctest/doctest.h>

using namespace posthorn::smtp;

namespace {

std::optional<RemoteReply> parse(std::string_view bytes) {
    ReplyParser parser;
    parser.add(bytes);
    return parser.next();
}

bool broken(std::string_view bytes) {
    ReplyParser parser;
    parser.add(bytes);
    return !parser.next() && parser.broken();
}

}  // namespace

TEST_CASE("reply: one line, several, several replies") {
    auto reply = parse("250 ok\r\n");
    REQUIRE(reply);
    CHECK(reply->code == 250);
    CHECK(reply->positive());
    CHECK(reply->lines == std::vector<std::string>{"ok"});
    CHECK(parse("250\r\n")->text().empty());
    CHECK(parse("250-\r\n250 \r\n")->lines.size() == 2);
    CHECK(parse("250 bare\n")->text() == "bare");

    ReplyParser parser;
    parser.add("250-a\r\n250-b\r\n250 c\r\n354 go\r\n55");
    CHECK(parser.next()->text() == "a b c");
    CHECK(parser.next()->code == 354);
    CHECK_FALSE(parser.next());
    CHECK(parser.buffered());
    parser.add("0 5.1.1 no\r\n");
    CHECK(parser.next()->status == "5.1.1");
    CHECK_FALSE(parser.buffered());
}

TEST_CASE("reply: the same in single octets") {
    ReplyParser parser;
    std::vector<int> codes;
    for (const char c : std::string("220 hi\r\n250-a\r\n250 b\r\n421 bye\r\n")) {
        parser.add(std::string_view(&c, 1));
        while (const auto reply = parser.next()) codes.push_back(reply->code);
    }
    CHECK(codes == std::vector<int>{220, 250, 421});
}

TEST_CASE("reply: what is none") {
    for (const char* bad : {"hello\r\n", "\r\n", "25\r\n", "2500 x\r\n", "250x\r\n", "150 x\r\n", "600 x\r\n",
                            "25a x\r\n", " 250 x\r\n", "250-a\r\n251 b\r\n", "HTTP/1.1 400 Bad Request\r\n"}) {
        CAPTURE(bad);
        CHECK(broken(bad));
    }
}

TEST_CASE("reply: limits") {
    CHECK(parse("250 " + std::string(kMaxReplyLine - 6, 'x') + "\r\n"));
    CHECK(broken("250 " + std::string(kMaxReplyLine, 'x') + "\r\n"));
    CHECK(broken("250 " + std::string(kMaxReplyLine, 'x')));  // not even a line end is waited for
    std::string many;
    for (std::size_t i = 0; i < kMaxReplyLines; ++i) many += "250-" + std::string(200, 'y') + "\r\n";
    const auto reply = parse(many.substr(0, many.size() - 206) + "250 end\r\n");
    REQUIRE(reply);
    CHECK(reply->lines.size() <= kMaxReplyKept / 200 + 1);
    CHECK(reply->text().size() <= kMaxReplyText);
    CHECK(broken(many + "250 end\r\n"));
}

TEST_CASE("reply: text is made printable and rid of enhanced codes") {
    const auto reply = parse("550-5.7.1 You\x1b[31m are\r\n550-5.7.1  not\xff welcome\r\n550 5.7.1\r\n");
    CHECK(reply->text() == "You [31m are not? welcome");
}

TEST_CASE("enhanced codes") {
    CHECK(enhanced_code("5.1.1 x") == "5.1.1");
    CHECK(enhanced_code("4.123.999") == "4.123.999");
    for (const char* none :
         {"", "5", "5.1", "5.1.", "5.1.1.1", "5.1.1x", "3.1.1 x", "5.1234.1 x", "5..1 x", "5.1.1234 x", "55.1.1"}) {
        CAPTURE(none);
        CHECK(enhanced_code(none).empty());
    }
    CHECK(status_of(*parse("550 5.1.10 x\r\n"), true) == "5.1.10");
    CHECK(status_of(*parse("450 5.1.1 classes disagree\r\n"), true) == "4.1.1");
    CHECK(status_of(*parse("550 no\r\n"), true) == "5.1.1");
    CHECK(status_of(*parse("550 no\r\n"), false) == "5.7.1");
    CHECK(status_of(*parse("452 full\r\n"), true) == "4.5.3");
    CHECK(status_of(*parse("421 bye\r\n"), false) == "4.3.2");
    CHECK(status_of(*parse("599 odd\r\n"), false) == "5.0.0");
    CHECK(status_of(*parse("250 ok\r\n"), false) == "2.0.0");
}
