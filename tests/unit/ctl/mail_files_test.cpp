// Mail from and to the files of others.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "ctl/mail_names.hpp"
#include "ctl/mail_sink.hpp"
#include "ctl/mail_source.hpp"

using namespace posthorn;
using namespace posthorn::ctl;
namespace fs = std::filesystem;

namespace {

struct Folder {
    Folder() {
        char name[] = "/tmp/mail-files-XXXXXX";
        path = ::mkdtemp(name);
    }
    ~Folder() { fs::remove_all(path); }
    Folder(const Folder&) = delete;
    std::string put(const std::string& name, const std::string& text) const {
        fs::create_directories(fs::path(path + '/' + name).parent_path());
        std::ofstream(path + '/' + name, std::ios::binary) << text;
        return path + '/' + name;
    }
    std::string content(const std::string& name) const {
        std::ostringstream out;
        out << std::ifstream(path + '/' + name, std::ios::binary).rdbuf();
        return out.str();
    }
    void maildir(const std::string& name) const {
        for (const auto* part : {"/cur", "/new", "/tmp"}) fs::create_directories(path + name + part);
    }
    std::string path;
};

std::vector<FileMessage> all_of(MailSource& source) {
    std::vector<FileMessage> out;
    while (true) {
        auto message = source.next();
        REQUIRE(message);
        if (!*message) return out;
        out.push_back(**std::move(message));
    }
}

std::vector<FileMessage> read(std::string_view format, const std::string& path) {
    auto source = open_mail_source(format, path);
    if (!source) FAIL(source.error().log_text);
    return all_of(**source);
}

std::string words(std::vector<std::string> flags) {
    std::ranges::sort(flags);
    std::string out;
    for (const auto& flag : flags) out += flag + ' ';
    return out;
}

}  // namespace

TEST_CASE("a Maildir is read: folders, flags, keywords, times") {
    const Folder folder;
    folder.maildir("");
    folder.maildir("/.Entw&APw-rfe.Alt&AC4-neu");
    folder.maildir("/lists/mutt");
    const auto seen = folder.put("cur/17.M1.host,S=20:2,FSb", "Subject: a\n\na\n");
    folder.put("new/18.M2.host", "Subject: b\r\n\r\nb");
    folder.put("cur/.hidden", "no mail");
    folder.put("dovecot-keywords", "0 $Junk\n1 $Label1\n");
    folder.put(".Entw&APw-rfe.Alt&AC4-neu/cur/19.host:2,DT", "Subject: c\n\nc\n");
    folder.put("lists/mutt/new/20.host", "Subject: d\n\nd\n");
    const timespec times[] = {{.tv_sec = 1'700'000'000, .tv_nsec = 123'000'000},
                              {.tv_sec = 1'700'000'000, .tv_nsec = 123'000'000}};
    REQUIRE(::utimensat(AT_FDCWD, seen.c_str(), times, 0) == 0);
    const auto mail = read("maildir", folder.path);
    REQUIRE(mail.size() == 4);
    CHECK(mail[0].mailbox == "INBOX");
    CHECK(mail[0].key == "17.M1.host,S=20");
    CHECK(words(mail[0].flags) == "$Label1 \\Flagged \\Seen ");
    CHECK(mail[0].received_ms == 1'700'000'000'123);
    CHECK(mail[0].text == "Subject: a\r\n\r\na\r\n");
    CHECK(mail[1].text == "Subject: b\r\n\r\nb");
    CHECK(mail[1].flags.empty());
    CHECK(mail[2].mailbox == "Entw\xc3\xbcrfe/Alt.neu");
    CHECK(words(mail[2].flags) == "\\Deleted \\Draft ");
    CHECK(mail[3].mailbox == "lists/mutt");
    // It is the same message still when somebody has read it meanwhile.
    fs::rename(folder.path + "/new/18.M2.host", folder.path + "/cur/18.M2.host:2,S");
    CHECK(read("maildir", folder.path)[1].key == mail[1].key);
    CHECK_FALSE(open_mail_source("maildir", folder.path + "/cur"));
}

TEST_CASE("an mbox is read: quoting, states, times") {
    const Folder folder;
    const auto path =
        folder.put("in",
                   "From ann@example.org Thu Nov 19 12:34:56 2026\n"
                   "Status: RO\nSubject: a\nX-Status: AF\nX-Keywords: $Junk work\n\t more\n"
                   "\nbody\n>From me\n>>From you\nFrom the middle\nX-Status: D\n\n\n"
                   "From MAILER-DAEMON Thu Nov 19 13:34:56 +0100 2026\nSubject: b\nStatus: O\nStatus: mine\n\n\n"
                   "From x  Sat Jan  3 01:02:03 1998\r\nSubject: a\r\n\r\nend");
    const auto mail = read("mbox", path);
    REQUIRE(mail.size() == 3);
    CHECK(mail[0].mailbox == "INBOX");
    CHECK(words(mail[0].flags) == "$Junk \\Answered \\Flagged \\Seen work ");
    CHECK(mail[0].text ==
          "Subject: a\r\n\r\nbody\r\nFrom me\r\n>From you\r\nFrom the middle\r\nX-Status: D\r\n\r\n");
    CHECK(mail[0].received_ms == 1'795'091'696'000);
    CHECK(mail[1].received_ms == mail[0].received_ms);
    CHECK(mail[1].text == "Subject: b\r\nStatus: mine\r\n\r\n");
    CHECK(mail[1].flags.empty());
    CHECK(mail[2].text == "Subject: a\r\n\r\nend\r\n");
    CHECK(mail[0].key != mail[2].key);
    // The same message twice is two.
    std::ofstream(path, std::ios::app) << "\n\nFrom x Sat Jan  3 01:02:03 1998\nSubject: a\n\nend\n";
    const auto more = read("mbox", path);
    REQUIRE(more.size() == 4);
    CHECK(more[2].key == mail[2].key);
    CHECK(more[3].key != more[2].key);
    CHECK(more[3].text == more[2].text);
}

TEST_CASE("what is written is read again as it was") {
    const Folder folder;
    const char* format = "maildir";
    SUBCASE("Maildir") {}
    SUBCASE("mbox") { format = "mbox"; }
    SUBCASE("eml") { format = "eml"; }
    struct Mail {
        OutMessage head;
        std::string text;
    };
    const std::vector<Mail> mail = {
        {{"INBOX", 7, 1, 1'700'000'001'000, {"\\Seen", "$Junk", "work"}},
         "Subject: a\r\n\r\nFrom x\r\n>From y\r\n.\r\n"},
        {{"INBOX", 7, 2, 1'700'000'002'000, {}}, "Subject: b\r\nStatus: mine\r\n\r\n\r\n\r\n"},
        {{"Arch.ive/%2026/x.mbox",
          8,
          3,
          1'700'000'003'000,
          {"\\Draft", "\\Flagged", "\\Answered", "\\Deleted", "work"}},
         "Subject: \xc3\xbc\r\n\r\n" + std::string(300'000, 'x') + "\r\n"}};
    const auto write = [&] {
        auto sink = open_mail_sink(format, folder.path + "/out");
        REQUIRE(sink);
        std::string box;
        for (const auto& one : mail) {
            if (one.head.mailbox != box) REQUIRE((*sink)->mailbox(one.head.mailbox));
            box = one.head.mailbox;
            REQUIRE((*sink)->begin(one.head));
            for (std::size_t at = 0; at < one.text.size(); at += 7)
                REQUIRE((*sink)->write(std::string_view(one.text).substr(at, 7)));
            REQUIRE((*sink)->end());
        }
        REQUIRE((*sink)->mailbox("Empty"));
        REQUIRE((*sink)->finish());
    };
    write();
    write();  // again: nothing is there twice
    auto back = read(format, folder.path + "/out");
    REQUIRE(back.size() == mail.size());
    std::ranges::sort(back, {}, &FileMessage::received_ms);
    for (std::size_t i = 0; i < mail.size(); ++i) {
        CAPTURE(i);
        CHECK(back[i].mailbox == mail[i].head.mailbox);
        CHECK(back[i].text == mail[i].text);
        CHECK(back[i].received_ms == mail[i].head.received_ms);
        CHECK(words(back[i].flags) == words(mail[i].head.flags));
    }
}

TEST_CASE("dates of From lines") {
    CHECK(parse_asctime("x Thu Jan  1 00:00:01 1970") == 1000);
    CHECK(parse_asctime("Thu Jan  1 01:00:01 +0100 1970") == 1000);
    CHECK(parse_asctime("Thu Jan  1 00:00 1970 -0100") == 3'600'000);
    CHECK(parse_asctime(asctime_text(1'700'000'000'000)) == 1'700'000'000'000);
    CHECK_FALSE(parse_asctime("Thu Jan 32 00:00:01 1970"));
    CHECK_FALSE(parse_asctime("Thu Jan 1 24:00:01 1970"));
    CHECK_FALSE(parse_asctime("nonsense"));
    CHECK_FALSE(parse_asctime(""));
}

TEST_CASE("names of mailboxes as names of files") {
    for (const auto* name : {"a", ".a", "a.b", "x.mbox", "50%", "%2E", "\xc3\xbc", ".mbox", "%"}) {
        CAPTURE(name);
        CHECK(level_of_file(file_level(name)) == name);
        CHECK_FALSE(file_level(name).starts_with('.'));
        CHECK_FALSE(file_level(name).ends_with(".mbox"));
        CHECK(mailbox_of_maildir(maildir_folder(name)) == name);
    }
    CHECK(file_path("a/.b") == "a/%2Eb");
    CHECK(maildir_folder("INBOX").empty());
    CHECK(mailbox_of_maildir("") == "INBOX");
    CHECK_FALSE(mailbox_of_maildir(".a..b"));
}
