#include "proto/imap/structure.hpp"

#include <doctest/doctest.h>

#include "proto/imap/section.hpp"

using namespace posthorn;
using namespace posthorn::imap;

namespace {

mail::Summary summarise(std::string_view message) {
    mail::SummaryBuilder builder;
    builder.feed(message);
    return builder.finish();
}

std::string structure(const mail::Summary& summary, bool extended) {
    std::string out;
    put_structure(out, summary, extended, false);
    return out;
}

std::string envelope(std::string_view message) {
    std::string out;
    put_envelope(out, summarise(message).envelope, false);
    return out;
}

// RFC 9051 §6.4.5.1's tree: 1 TEXT/PLAIN, 2 APPLICATION, 3 MESSAGE/RFC822 (3.1 TEXT, 3.2 APPLICATION).
const std::string kTree =
    "Subject: top\r\nMime-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=A\r\n\r\npreamble\r\n"
    "--A\r\nContent-Type: text/plain\r\n\r\none\r\n"
    "--A\r\nContent-Type: application/octet-stream\r\nContent-Disposition: attachment; "
    "filename=\"x.bin\"\r\n\r\ntwo\r\n"
    "--A\r\nContent-Type: message/rfc822\r\n\r\n"
    "Subject: inner\r\nContent-Type: multipart/mixed; boundary=B\r\n\r\n"
    "--B\r\nContent-Type: text/plain\r\n\r\nthree-one\r\n"
    "--B\r\nContent-Type: application/octet-stream\r\n\r\nthree-two\r\n--B--\r\n"
    "--A--\r\n";

std::string cut(const std::string& message, const Section& section) {
    const auto at = locate(summarise(message), section);
    if (!at) return "NIL";
    const auto bytes = message.substr(at->begin, at->end - at->begin);
    return at->filter ? filter_header(bytes, section) : bytes;
}

}  // namespace

TEST_CASE("an envelope") {  // RFC 9051 §8
    CHECK(envelope("Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\r\nFrom: Terry Gray <gray@cac.washington.edu>\r\n"
                   "Subject: IMAP4rev2 WG mtg summary and minutes\r\nTo: imap@cac.washington.edu\r\n"
                   "Cc: minutes@CNRI.Reston.VA.US, John Klensin <KLENSIN@MIT.EDU>\r\n"
                   "Message-Id: <B27397-0100000@cac.washington.edu>\r\n\r\n") ==
          "(\"Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\" \"IMAP4rev2 WG mtg summary and minutes\" "
          "((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) ((\"Terry Gray\" NIL \"gray\" "
          "\"cac.washington.edu\")) "
          "((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) ((NIL NIL \"imap\" \"cac.washington.edu\")) "
          "((NIL NIL \"minutes\" \"CNRI.Reston.VA.US\")(\"John Klensin\" NIL \"KLENSIN\" \"MIT.EDU\")) NIL NIL "
          "\"<B27397-0100000@cac.washington.edu>\")");
    CHECK(envelope("\r\n") == "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)");
    CHECK(envelope("To: team: a@b, c@d;\r\n\r\n")
              .find("((NIL NIL \"team\" NIL)(NIL NIL \"a\" \"b\")(NIL NIL \"c\" \"d\")"
                    "(NIL NIL NIL NIL))") != std::string::npos);
    CHECK(envelope("Subject: gr\xc3\xbc\xc3\x9f\r\n\r\n").starts_with("(NIL {6}\r\ngr\xc3\xbc\xc3\x9f NIL"));
}

TEST_CASE("a structure") {
    CHECK(structure(summarise("Subject: x\r\n\r\none\r\ntwo\r\n"), false) ==
          "(\"text\" \"plain\" NIL NIL NIL \"7bit\" 10 2)");
    const auto tree = summarise(kTree);
    CHECK(structure(tree, false).starts_with("((\"text\" \"plain\" "));
    CHECK(structure(tree, false).find("(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" ") != std::string::npos);
    CHECK(structure(tree, false).ends_with(" \"mixed\")"));
    CHECK(structure(tree, true).find("(\"attachment\" (\"filename\" \"x.bin\")) NIL NIL)") != std::string::npos);
    CHECK(structure(tree, true).ends_with(" \"mixed\" (\"boundary\" \"A\") NIL NIL NIL)"));
}

TEST_CASE("structures that mail should not have are responses all the same") {
    mail::Summary summary;
    summary.parts.emplace_back();
    summary.parts[0].type = "multipart";
    summary.parts[0].subtype = "mixed";
    CHECK(structure(summary, false) == "((\"text\" \"plain\" NIL NIL NIL \"7bit\" 0 0) \"mixed\")");
    summary.parts[0].type = "message";
    summary.parts[0].subtype = "rfc822";
    CHECK(structure(summary, false) == "(\"application\" \"octet-stream\" NIL NIL NIL \"7bit\" 0)");
}

TEST_CASE("sections") {
    using What = Section::What;
    CHECK(cut(kTree, {}) == kTree);
    CHECK(cut(kTree, {.what = What::header}).ends_with("boundary=A\r\n\r\n"));
    CHECK(cut(kTree, {.what = What::text}).starts_with("preamble"));
    CHECK(cut(kTree, {.part = {1}}) == "one");
    CHECK(cut(kTree, {.part = {2}, .what = What::mime}) ==
          "Content-Type: application/octet-stream\r\nContent-Disposition: attachment; filename=\"x.bin\"\r\n\r\n");
    CHECK(cut(kTree, {.part = {3}}).starts_with("Subject: inner"));
    CHECK(cut(kTree, {.part = {3}, .what = What::header}).starts_with("Subject: inner\r\nContent-Type"));
    CHECK(cut(kTree, {.part = {3}, .what = What::text}).starts_with("--B\r\n"));
    CHECK(cut(kTree, {.part = {3, 1}}) == "three-one");
    CHECK(cut(kTree, {.part = {3, 2}}) == "three-two");
    CHECK(cut(kTree, {.part = {3, 3}}) == "NIL");
    CHECK(cut(kTree, {.part = {4}}) == "NIL");
    CHECK(cut(kTree, {.part = {1, 1}}) == "NIL");
    CHECK(cut(kTree, {.part = {1}, .what = What::header}) == "NIL");
    CHECK(cut(kTree, {.what = What::header_fields, .fields = {"SUBJECT", "x"}}) == "Subject: top\r\n\r\n");
    CHECK(cut(kTree, {.part = {3}, .what = What::header_fields, .fields = {"subject"}}) ==
          "Subject: inner\r\n\r\n");
    CHECK(cut(kTree, {.what = What::header_fields_not, .fields = {"Subject", "Content-Type"}}) ==
          "Mime-Version: 1.0\r\n\r\n");
    const std::string plain = "Subject: x\r\n\r\nbody";
    CHECK(cut(plain, {.part = {1}}) == "body");
    CHECK(cut(plain, {.part = {2}}) == "NIL");
    CHECK(cut(plain, {.part = {1}, .what = What::mime}) == "Subject: x\r\n\r\n");
}

TEST_CASE("fields of a header") {
    const Section some{.what = Section::What::header_fields, .fields = {"To", "X-Y"}};
    CHECK(filter_header("To: a,\r\n b\r\nFrom: c\r\nx-y : d\r\nTo: e\r\n\r\nrest", some) ==
          "To: a,\r\n b\r\nx-y : d\r\nTo: e\r\n\r\n");
    CHECK(filter_header("To: a", some) == "To: a\r\n\r\n");
    CHECK(filter_header("", some) == "\r\n");
    std::string out;
    put_section(out, "BODY", {.part = {1, 2}, .what = Section::What::header_fields, .fields = {"DATE", "a b"}},
                Partial{5, 9});
    CHECK(out == "BODY[1.2.HEADER.FIELDS (DATE \"a b\")]<5>");
}
