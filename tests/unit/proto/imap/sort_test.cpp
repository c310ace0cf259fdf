#include "proto/imap/sort.hpp"

#include <doctest/doctest.h>

#include <algorithm>

#include "mail/mime/casemap.hpp"
#include "proto/imap/text.hpp"

using namespace posthorn;
using namespace posthorn::imap;
using By = SortCriterion::By;

namespace {

mail::Summary summary_of(const std::string& message) {
    mail::SummaryBuilder builder;
    builder.feed(message);
    return builder.finish();
}

// Numbers of messages, counted from 1, in order.
std::vector<std::uint32_t> sorted(const std::vector<SortCriterion>& by, const std::vector<std::string>& messages) {
    Sorter sorter;
    for (std::uint32_t i = 0; i < messages.size(); ++i) {
        const auto summary = summary_of(messages[i]);
        sorter.add({{sort_key(by, &summary, 1000 + i, messages[i].size()), i + 1}});
    }
    return sorter.take(messages.size());
}

using Numbers = std::vector<std::uint32_t>;

}  // namespace

TEST_CASE("texts are compared in title case and decomposed (RFC 5051)") {
    CHECK(mail::casemap("Hello") == mail::casemap("hELLO"));
    CHECK(mail::casemap("gr\u00fc\u00dfe") == mail::casemap("GRU\u0308\u00dfE"));
    CHECK(mail::casemap("\u01c6") == mail::casemap("\u01c4"));  // dz with caron: one title case
    CHECK(mail::casemap("\ufb01") == mail::casemap("\ufb01"));
    CHECK(mail::casemap("\u212b") == mail::casemap("\u00e5"));  // the Angstrom sign is A with ring
    CHECK(mail::casemap("\u03b1") != mail::casemap("\u03b2"));
    CHECK(mail::casemap("a\xff") == mail::casemap("A\ufffd"));
    CHECK(mail::casemap(std::string(1000, 'a')) == std::string(256, 'A'));
    CHECK(mail::casemap("") == "");
}

TEST_CASE("each criterion looks at its field") {
    const std::vector<std::string> mail{
        "From: zoe@a.example\r\nTo: x@a\r\nCc: k@a\r\nSubject: Re: beta\r\nDate: Thu, 1 Jan 1998 00:00:00 "
        "+0000\r\n\r\n",
        "From: \"Al\" <bob@b.example>\r\nTo: y@a\r\nCc: j@a\r\nSubject: ALPHA\r\n"
        "Date: Wed, 31 Dec 1997 23:30:00 -0100\r\n\r\nlonger than all of them together, by far\r\n",
        "From: Carl@c.example\r\nSubject: =?utf-8?q?alph=C3=A4?=\r\n\r\n",
    };
    CHECK(sorted({{By::arrival}}, mail) == Numbers{1, 2, 3});
    CHECK(sorted({{By::arrival, true}}, mail) == Numbers{3, 2, 1});
    CHECK(sorted({{By::from}}, mail) == Numbers{2, 3, 1});
    CHECK(sorted({{By::display_from}}, mail) == Numbers{2, 3, 1});
    CHECK(sorted({{By::to}}, mail) == Numbers{3, 1, 2});
    CHECK(sorted({{By::cc}}, mail) == Numbers{3, 2, 1});
    CHECK(sorted({{By::subject}}, mail) == Numbers{2, 3, 1});
    CHECK(sorted({{By::size}}, mail) == Numbers{3, 1, 2});
    // 23:30 at -0100 is half past midnight; without a date the internal date counts, here early in 1970.
    CHECK(sorted({{By::date}}, mail) == Numbers{3, 1, 2});
    CHECK(sorted({{By::date, true}}, mail) == Numbers{2, 1, 3});
}

TEST_CASE("DISPLAYFROM takes the name, decoded, else the address (RFC 5957)") {
    const std::vector<std::string> mail{
        "From: =?utf-8?q?=C3=84nne?= <z@a>\r\n\r\n",
        "From: a@b.example\r\n\r\n",
        "From: \"Zoe\" <a@a>\r\n\r\n",
        "From: a@a.example\r\n\r\n",
    };
    CHECK(sorted({{By::display_from}}, mail) == Numbers{4, 2, 1, 3});
    CHECK(sorted({{By::from}}, mail) == Numbers{2, 3, 4, 1});
}

TEST_CASE("a text that grows when it is decomposed counts for no more octets than others") {
    std::string subject;
    for (int i = 0; i < 80; ++i) subject += "\u00e4\ufdfa";
    const auto summary = summary_of("Subject: " + subject + "\r\n\r\n");
    const std::vector<SortCriterion> by{{By::subject}};
    const auto key = sort_key(by, &summary, 0, 0);
    CHECK(key.size() <= 257);
    CHECK(key.size() > 250);
    CHECK(key.starts_with(mail::casemap("\u00e4\ufdfa")));
}

TEST_CASE("what is the same stays in the mailbox's order, and the next criterion decides before it") {
    const std::vector<std::string> mail{
        "Subject: b\r\nFrom: x@a\r\n\r\n",
        "Subject: Re: A\r\nFrom: x@a\r\n\r\n",
        "Subject: a (fwd)\r\nFrom: y@a\r\n\r\n",
        "Subject: B\r\nFrom: w@a\r\n\r\n",
        "Subject: ab\r\n\r\n",
    };
    CHECK(sorted({{By::subject}}, mail) == Numbers{2, 3, 5, 1, 4});
    CHECK(sorted({{By::subject, true}}, mail) == Numbers{1, 4, 5, 2, 3});
    CHECK(sorted({{By::subject}, {By::from, true}}, mail) == Numbers{3, 2, 5, 1, 4});
}

TEST_CASE("a large mailbox is sorted in slices") {
    Sorter sorter;
    std::vector<std::pair<std::string, std::uint32_t>> expected;
    std::uint32_t seed = 1;
    for (std::uint32_t n = 1; n <= 5000;) {
        std::vector<Sorter::Row> rows;
        for (int i = 0; i < 64 && n <= 5000; ++i, ++n) {
            seed = seed * 1664525 + 1013904223;
            rows.emplace_back(std::to_string(seed % 1000), n);
            expected.push_back(rows.back());
        }
        sorter.add(std::move(rows));
    }
    std::ranges::sort(expected);
    std::vector<std::uint32_t> got;
    for (auto next = sorter.take(77); !next.empty(); next = sorter.take(77)) {
        CHECK(next.size() <= 77);
        got.insert(got.end(), next.begin(), next.end());
    }
    REQUIRE(got.size() == expected.size());
    CHECK(std::ranges::equal(got, expected, {}, {}, [](const auto& row) { return row.second; }));
}

TEST_CASE("ESORT's answers stand in the order of the sort (RFC 5267)") {
    const auto told = [](Results results, Numbers found) {
        std::string out;
        results.given = true;
        put_esort(out, "a", true, results, found, 0);
        return out;
    };
    CHECK(told({.min = true, .max = true, .all = true, .count = true}, {5, 2, 3, 4, 1}) ==
          "* ESEARCH (TAG \"a\") UID MIN 5 MAX 1 COUNT 5 ALL 5,2:4,1\r\n");
    CHECK(told({.all = true, .count = true}, {}) == "* ESEARCH (TAG \"a\") UID COUNT 0\r\n");
    CHECK(told({.partial = std::pair{2, 3}}, {5, 2, 3}) == "* ESEARCH (TAG \"a\") UID PARTIAL (2:3 2:3)\r\n");
    CHECK(told({.partial = std::pair{-1, -2}}, {5, 2, 7}) == "* ESEARCH (TAG \"a\") UID PARTIAL (-1:-2 2,7)\r\n");
    CHECK(told({.partial = std::pair{7, 9}}, {5, 2, 7}) == "* ESEARCH (TAG \"a\") UID PARTIAL (7:9 NIL)\r\n");
}
