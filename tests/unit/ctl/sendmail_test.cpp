#include <doctest/doctest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "ctl/drop_folder.hpp"
#include "ctl/sendmail_options.hpp"
#include "ctl/submitted_message.hpp"
#include "mail/envelope_codec.hpp"

using namespace posthorn;
using namespace posthorn::ctl;

namespace {

std::expected<SendmailOptions, std::string> parse(std::vector<std::string> words) {
    return parse_sendmail_options(words);
}

// The same in pieces of every size must be the same.
std::string lines(std::string_view text, bool dot_ends = true) {
    std::string whole;
    LineEnds all(dot_ends);
    all.feed(text, whole);
    all.finish(whole);
    for (std::size_t step = 1; step <= text.size(); ++step) {
        std::string pieces;
        LineEnds one(dot_ends);
        for (std::size_t at = 0; at < text.size(); at += step) one.feed(text.substr(at, step), pieces);
        one.finish(pieces);
        CHECK(pieces == whole);
    }
    return whole;
}

Submitter me() {
    return {.address = {.local = "me", .domain = "host.example"},
            .full_name = "Me \"M\" Myself",
            .host = "host.example",
            .now = base::from_ms(1'795'250'000'000),
            .unique = "UNIQUE"};
}

}  // namespace

TEST_CASE("what programs pass to sendmail is understood") {
    const auto options =
        parse({"-oi", "-ti", "-fme@example.com", "-F", "My Name", "-N", "success,failure", "-R", "hdrs", "-V", "id",
               "-em", "-odb", "-B8BITMIME", "-v", "-C", "/x.toml", "--", "-odd@example.com"});
    REQUIRE(options);
    CHECK(options->recipients_from_header);
    CHECK_FALSE(options->dot_ends);
    CHECK(options->sender == "me@example.com");
    CHECK(options->full_name == "My Name");
    CHECK(options->config == "/x.toml");
    CHECK(options->notify == (mail::notify::success | mail::notify::failure));
    CHECK(options->ret == mail::DsnReturn::headers);
    CHECK(options->recipients == std::vector<std::string>{"-odd@example.com"});
    CHECK(parse({"-bs"})->mode == SendmailOptions::Mode::smtp);
    CHECK(parse({"-f", "", "a"})->sender == "");
    CHECK(parse({"-i", "a", "b"})->recipients.size() == 2);
}

TEST_CASE("wrong usage is refused") {
    CHECK(parse({}).error() == "no recipients: name them, or use -t");
    CHECK(parse({"-f"}).error() == "option -f wants a value");
    CHECK(parse({"-bp"}).error() == "-bp is not supported: see mailctl queue list");
    CHECK(parse({"-N", "never,delay", "a"}).error() == "-N never excludes the others");
    CHECK_FALSE(parse({"-Z", "a"}));
    CHECK_FALSE(parse({"--zap", "a"}));
}

TEST_CASE("line ends become CRLF, a single dot ends") {
    CHECK(lines("a\nb\r\nc\rd") == "a\r\nb\r\nc\r\nd\r\n");
    CHECK(lines("a\n.\nb\n") == "a\r\n");
    CHECK(lines("a\n.b\n..\n") == "a\r\n.b\r\n..\r\n");
    CHECK(lines("a\n.\nb\n", false) == "a\r\n.\r\nb\r\n");
    CHECK(lines("") == "");
    CHECK(lines("\n\n") == "\r\n\r\n");
    CHECK(lines(".") == "");
    LineEnds one(true);
    std::string out;
    one.feed(std::string_view("a\0\xC3", 3), out);
    CHECK((one.nul() && one.eight_bit()));
}

TEST_CASE("the header ends at an empty line or at the first line that is no field") {
    auto cut = cut_header("A: b\r\n c\r\n\r\nbody\r\n");
    CHECK((cut.header == "A: b\r\n c\r\n" && cut.body == "body\r\n" && cut.separated));
    cut = cut_header("A: b\r\nbody here\r\n\r\n");
    CHECK((cut.header == "A: b\r\n" && cut.body == "body here\r\n\r\n" && !cut.separated));
    cut = cut_header("body only\r\n");
    CHECK((cut.header.empty() && cut.body == "body only\r\n"));
    cut = cut_header("From me Sat Nov 21\r\nA: b\r\n\r\n");
    CHECK((cut.header == "From me Sat Nov 21\r\nA: b\r\n" && cut.body.empty() && cut.separated));
}

TEST_CASE("missing fields are added, what is there stays") {
    const auto added = prepare_header("Subject: x\r\n", me(), false);
    REQUIRE(added);
    CHECK(added->text ==
          "Date: Sat, 21 Nov 2026 08:33:20 +0000\r\nMessage-ID: <UNIQUE@host.example>\r\n"
          "From: \"Me \\\"M\\\" Myself\" <me@host.example>\r\nSubject: x\r\n");
    CHECK(added->message_id == "<UNIQUE@host.example>");
    const std::string whole = "from: a@b.example\r\nDATE: then\r\nMessage-Id:\r\n <x@y>\r\n";
    const auto kept = prepare_header(whole, me(), false);
    CHECK((kept->text == whole && kept->message_id == "<x@y>" && !kept->utf8));
    CHECK(prepare_header("From me Sat Nov 21\r\n" + whole, me(), false)->text == whole);
}

TEST_CASE("recipients are taken from the header, and Bcc goes") {
    const auto taken = prepare_header(
        "To: A <a@example.com>,\r\n b@example.com\r\nBcc: c@example.com\r\ncc: root\r\n", me(), true);
    REQUIRE(taken);
    std::string all;
    for (const auto& address : taken->recipients) all += address.to_string() + " ";
    CHECK(all == "a@example.com b@example.com c@example.com root@host.example ");
    CHECK(taken->text.find("Bcc") == std::string::npos);
    CHECK(prepare_header("Bcc: c@example.com\r\n", me(), false)->text.find("Bcc") != std::string::npos);
    CHECK(prepare_header("To: x y\r\n", me(), true).error() == "in the field To: \"x y\" is not a mail address");
}

TEST_CASE("a dropped message is one visible file: its envelope, then its text") {
    char name[] = "/tmp/posthorn-test-XXXXXX";
    const std::string folder = ::mkdtemp(name);
    std::FILE* body = std::tmpfile();
    std::fputs("body\r\n", body);
    mail::Envelope envelope;
    envelope.reverse_path = {.local = "me", .domain = "host.example"};
    envelope.recipients = {{.address = {.local = "a", .domain = "example.com"}}};
    const auto before = ::umask(077);
    CHECK(drop(folder, envelope, "A: b\r\n\r\n", body));
    ::umask(before);
    CHECK_FALSE(drop(folder + "/missing", envelope, "", body));
    std::fclose(body);
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) files.push_back(entry.path());
    REQUIRE(files.size() == 1);
    CHECK_FALSE(files[0].filename().string().starts_with('.'));
    std::ifstream in(files[0], std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(in), {}};
    std::size_t used = 0;
    const auto read = mail::decode_envelope_prefix(bytes, used);
    REQUIRE(read);
    CHECK(*read == envelope);
    CHECK(bytes.substr(used) == "A: b\r\n\r\nbody\r\n");
    std::filesystem::remove_all(folder);
}
