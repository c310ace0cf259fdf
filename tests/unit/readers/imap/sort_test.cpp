#include <doctest/doctest.h>

#include "fixture.hpp"

using namespace posthorn;
using namespace posthorn::testing;

namespace {

std::string mail(const std::string& fields) { return fields + "\r\n\r\ntext\r\n"; }

void fill(ImapFixture& f) {
    f.put(mail("Message-ID: <1@a>\r\nFrom: zoe@a\r\nSubject: beta\r\nDate: Thu, 5 Feb 1998 00:00:00 +0000"));
    f.put(
        mail("Message-ID: <2@a>\r\nReferences: <1@a>\r\nFrom: bob@a\r\nSubject: Re: beta\r\n"
             "Date: Tue, 3 Feb 1998 00:00:00 +0000"));
    f.put(mail("Message-ID: <3@a>\r\nFrom: ann@a\r\nSubject: ALPHA\r\nDate: Wed, 4 Feb 1998 00:00:00 +0000"));
    f.put(
        mail("Message-ID: <4@a>\r\nReferences: <1@a> <2@a>\r\nFrom: ann@a\r\nSubject: Re: beta\r\n"
             "Date: Fri, 6 Feb 1998 00:00:00 +0000"));
}

}  // namespace

TEST_CASE("SORT orders what is found") {
    ImapFixture f;
    fill(f);
    auto client = f.in("INBOX");
    CHECK(f.say(*client, "a SORT (SUBJECT) UTF-8 ALL\r\n") == "* SORT 3 1 2 4\r\na OK Sorted\r\n");
    CHECK(f.say(*client, "b SORT (DATE) US-ASCII ALL\r\n") == "* SORT 2 3 1 4\r\nb OK Sorted\r\n");
    CHECK(f.say(*client, "c SORT (FROM REVERSE DATE) UTF-8 NOT SUBJECT alpha\r\n") ==
          "* SORT 4 2 1\r\nc OK Sorted\r\n");
    CHECK(f.say(*client, "d SORT (REVERSE ARRIVAL) UTF-8 FROM nobody\r\n") == "* SORT\r\nd OK Sorted\r\n");
    f.say(*client, "e STORE 1 +FLAGS (\\Deleted)\r\nf EXPUNGE\r\n");
    CHECK(f.say(*client, "g UID SORT (SUBJECT) UTF-8 ALL\r\n") == "* SORT 3 2 4\r\ng OK Sorted\r\n");
    CHECK(f.say(*client, "h SORT (SUBJECT) UTF-8 ALL\r\n") == "* SORT 2 1 3\r\nh OK Sorted\r\n");
    CHECK(f.say(*client, "i UID SORT RETURN (MIN MAX ALL COUNT) (REVERSE DATE) UTF-8 ALL\r\n") ==
          "* ESEARCH (TAG \"i\") UID MIN 4 MAX 2 COUNT 3 ALL 4,3,2\r\ni OK Sorted\r\n");
    CHECK(f.say(*client, "j SORT RETURN (SAVE) (SIZE) UTF-8 SUBJECT alpha\r\n") == "j OK Sorted\r\n");
    CHECK(f.say(*client, "k FETCH $ UID\r\n") == "* 2 FETCH (UID 3)\r\nk OK Fetched\r\n");
    CHECK(f.say(*client, "l SORT (SUBJECT) KLINGON ALL\r\n").starts_with("l NO [BADCHARSET"));
    CHECK(f.say(*client, "m SORT (COLOUR) UTF-8 ALL\r\n").starts_with("m BAD "));
    CHECK(f.say(*client, "n SORT (SUBJECT) UTF-8 9\r\n").starts_with("n BAD "));
}

TEST_CASE("THREAD shows who answers whom") {
    ImapFixture f;
    fill(f);
    auto client = f.in("INBOX");
    CHECK(f.say(*client, "a THREAD REFERENCES UTF-8 ALL\r\n") == "* THREAD (3)(1 2 4)\r\na OK Threaded\r\n");
    CHECK(f.say(*client, "b THREAD ORDEREDSUBJECT UTF-8 ALL\r\n") == "* THREAD (2 (1)(4))(3)\r\nb OK Threaded\r\n");
    CHECK(f.say(*client, "c THREAD REFERENCES UTF-8 FROM nobody\r\n") == "* THREAD\r\nc OK Threaded\r\n");
    CHECK(f.say(*client, "d THREAD GUESSING UTF-8 ALL\r\n").starts_with("d BAD "));
    f.say(*client, "e STORE 3 +FLAGS (\\Deleted)\r\nf EXPUNGE\r\n");
    CHECK(f.say(*client, "g UID THREAD REFERENCES UTF-8 NOT UID 1\r\n") == "* THREAD (2 4)\r\ng OK Threaded\r\n");
    CHECK(f.say(*client, "h THREAD REFERENCES UTF-8 NOT UID 1\r\n") == "* THREAD (2 3)\r\nh OK Threaded\r\n");
}

TEST_CASE("message numbers hold while SORT and THREAD answer with them") {
    ImapFixture f;
    fill(f);
    auto one = f.in("INBOX");
    auto two = f.in("INBOX");
    f.say(*two, "a STORE 1 +FLAGS.SILENT (\\Deleted)\r\nb EXPUNGE\r\n");
    CHECK(f.say(*one, "c SORT (ARRIVAL) UTF-8 ALL\r\n") == "* SORT 2 3 4\r\nc OK Sorted\r\n");
    CHECK(f.say(*one, "d THREAD ORDEREDSUBJECT UTF-8 ALL\r\n") == "* THREAD (2 4)(3)\r\nd OK Threaded\r\n");
    CHECK(f.say(*one, "e UID SORT (ARRIVAL) UTF-8 ALL\r\n") == "* SORT 2 3 4\r\n* 1 EXPUNGE\r\ne OK Sorted\r\n");
}

TEST_CASE("CAPABILITY names what sorts and threads") {
    ImapFixture f;
    auto client = f.in();
    const auto told = f.say(*client, "a CAPABILITY\r\n");
    for (const auto* word :
         {" SORT ", " SORT=DISPLAY ", " ESORT ", " THREAD=REFERENCES ", " THREAD=ORDEREDSUBJECT "})
        CHECK(told.find(word) != std::string::npos);
}
