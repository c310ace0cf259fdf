#include "proto/imap/thread.hpp"

#include <doctest/doctest.h>

#include <algorithm>

using namespace posthorn::imap;

namespace {

using Algorithm = Threader::Algorithm;

struct Mail {
    std::uint32_t number;
    std::string id;
    std::vector<std::string> references{};
    std::string subject{};
    bool answer = false;
    std::int64_t sent = 0;  // 0: its number
};

std::string threads(const std::vector<Mail>& mails, Algorithm algorithm = Algorithm::references,
                    std::size_t piece = 1000) {
    Threader threader(algorithm);
    for (const auto& mail : mails) {
        threader.add({.number = mail.number,
                      .sent = mail.sent == 0 ? mail.number : mail.sent,
                      .subject = mail.subject,
                      .answer = mail.answer,
                      .message_id = mail.id,
                      .references = mail.references});
    }
    while (threader.step()) {
    }
    std::string all;
    for (bool more = true; more;) {
        std::string out;
        more = threader.put(out, piece);
        CHECK(out.size() <= piece + 12);
        all += out;
    }
    return all;
}

}  // namespace

TEST_CASE("the example of RFC 5256 §4: nested threads") {
    const std::vector<Mail> mails{
        {2, "two"},
        {3, "three"},
        {4, "4", {"three", "six"}},
        {6, "six", {"three"}, {}, false, 3},
        {7, "7", {"three", "six", "44"}},
        {23, "23", {"4"}},
        {44, "44", {"three", "six"}, {}, false, 5},
        {96, "96", {"six", "44", "7"}},
    };
    CHECK(threads(mails) == "(2)(3 6 (4 23)(44 7 96))");
    CHECK(threads(mails, Algorithm::references, 1) == "(2)(3 6 (4 23)(44 7 96))");
}

TEST_CASE("a parent that is not here joins its children, one child alone needs none") {
    CHECK(threads({{3, "a", {"gone"}}, {5, "b", {"gone"}}}) == "((3)(5))");
    CHECK(threads({{3, "a", {"gone"}}}) == "(3)");
    CHECK(threads({{3, "a", {"x", "y", "z"}}, {4, "b", {"x", "w"}}}) == "((3)(4))");
    CHECK(threads({{1, "top"}, {2, "a", {"top", "gone"}}, {3, "b", {"top", "gone"}}}) == "(1 (2)(3))");
}

TEST_CASE("the last reference is the parent, whatever others said before") {
    CHECK(threads({{1, "a"}, {2, "c", {"a", "b"}}, {3, "b", {"a"}}}) == "(1 3 2)");
    CHECK(threads({{1, "a"}, {2, "b", {"a"}}, {3, "c", {"b", "x"}}, {4, "b2", {"x"}}}) == "(1 2 (3)(4))");
    // c was called a's child; it says it is nobody's
    CHECK(threads({{1, "x", {"a", "c"}}, {2, "c"}, {3, "a"}}) == "(2 1)(3)");
}

TEST_CASE("references that go round make no loop") {
    CHECK(threads({{1, "a", {"b"}}, {2, "b", {"a"}}}) == "(2 1)");
    CHECK(threads({{1, "a", {"a"}}}) == "(1)");
    CHECK(threads({{1, "c", {"a", "b", "a"}}, {2, "a"}, {3, "b"}}) == "(2 1)(3)");
}

TEST_CASE("two messages of one id both stand") {
    CHECK(threads({{1, "a"}, {2, "a"}, {3, "b", {"a"}}}) == "(1 3)(2)");
    CHECK(threads({{1, ""}, {2, ""}}) == "(1)(2)");
}

TEST_CASE("threads of one subject become one") {
    // The one that is no answer is the parent of answers, wherever it stands.
    CHECK(threads({{1, "a", {}, "S", true}, {2, "b", {}, "S"}, {3, "c", {}, "S", true}}) == "(2 (1)(3))");
    // Two that are none: side by side.
    CHECK(threads({{1, "a", {}, "S"}, {2, "b", {}, "S"}}) == "((1)(2))");
    CHECK(threads({{1, "a", {}, "S"}, {2, "b", {}, "S"}, {3, "c", {}, "S"}}) == "((1)(2)(3))");
    // Two dummies: their children together.
    CHECK(threads({{1, "a", {"x"}, "S"}, {2, "b", {"x"}, "S"}, {3, "c", {"y"}, "S"}, {4, "d", {"y"}, "S"}}) ==
          "((1)(2)(3)(4))");
    CHECK(threads({{1, "a", {}, "S"}, {2, "b", {"x"}, "S"}, {3, "c", {"x"}, "S"}}) == "((1)(2)(3))");
    // No subject joins nobody.
    CHECK(threads({{1, "a"}, {2, "b"}}) == "(1)(2)");
}

TEST_CASE("siblings stand by the time they were sent, those of one time by number") {
    CHECK(
        threads({{1, "top", {}, {}, false, 9}, {2, "a", {"top"}, {}, false, 8}, {3, "b", {"top"}, {}, false, 7}}) ==
        "(1 (3)(2))");
    CHECK(threads({{1, "a", {}, {}, false, 5}, {2, "b", {}, {}, false, 5}, {3, "c", {}, {}, false, 4}}) ==
          "(3)(1)(2)");
    // A dummy stands where its first child would.
    CHECK(threads({{1, "a", {"x"}, {}, false, 5}, {2, "b", {"x"}, {}, false, 1}, {3, "c", {}, {}, false, 3}}) ==
          "((2)(1))(3)");
}

TEST_CASE("ORDEREDSUBJECT: the first of a subject, and the others as its children") {
    CHECK(threads(
              {{166, "", {}, "A"}, {167, "", {}, "B"}, {168, "", {}, "A"}, {169, "", {}, "A"}, {170, "", {}, "B"}},
              Algorithm::ordered_subject) == "(166 (168)(169))(167 170)");
    CHECK(threads({{1, "", {}, "A", false, 3}, {2, "", {}, "A", false, 2}, {3, "", {}, "B", false, 1}},
                  Algorithm::ordered_subject) == "(3)(2 1)");
    CHECK(threads({}) == "");
}

TEST_CASE("a thread as deep as the mailbox, and one as wide") {
    std::vector<Mail> deep;
    std::string expected = "(";
    for (std::uint32_t i = 1; i <= 20'000; ++i) {
        deep.push_back({i, std::to_string(i)});
        if (i > 1) deep.back().references = {std::to_string(i - 1)};
        expected += (i > 1 ? " " : "") + std::to_string(i);
    }
    CHECK(threads(deep) == expected + ")");
    std::vector<Mail> wide;
    for (std::uint32_t i = 1; i <= 20'000; ++i) wide.push_back({i, std::to_string(i), {"top"}});
    const auto all = threads(wide);
    CHECK(all.starts_with("((1)(2)(3)"));
    CHECK(std::ranges::count(all, '(') == 20'001);
}

TEST_CASE("every message stands once, whatever the references say") {
    std::uint32_t seed = 7;
    const auto roll = [&seed](std::uint32_t n) {
        seed = seed * 1664525 + 1013904223;
        return (seed >> 8U) % n;
    };
    for (int round = 0; round < 300; ++round) {
        std::vector<Mail> mails;
        const auto count = 1 + roll(12);
        for (std::uint32_t i = 1; i <= count; ++i) {
            Mail mail{i, std::string(1, static_cast<char>('a' + roll(10)))};
            for (auto r = roll(5); r > 0; --r) mail.references.emplace_back(1, static_cast<char>('a' + roll(14)));
            if (roll(2) == 0) mail.subject = std::string(1, static_cast<char>('S' + roll(3)));
            mail.answer = roll(2) == 0;
            mail.sent = 1 + roll(5);
            mails.push_back(std::move(mail));
        }
        for (const auto algorithm : {Algorithm::references, Algorithm::ordered_subject}) {
            const auto text = threads(mails, algorithm);
            INFO("round " << round << ": " << text);
            std::vector<std::uint32_t> seen;
            int depth = 0;
            for (std::size_t i = 0; i < text.size(); ++i) {
                depth += text[i] == '(' ? 1 : text[i] == ')' ? -1 : 0;
                CHECK(depth >= 0);
                if (text[i] < '0' || text[i] > '9') continue;
                seen.push_back(static_cast<std::uint32_t>(std::stoul(text.substr(i))));
                while (i + 1 < text.size() && text[i + 1] >= '0' && text[i + 1] <= '9') ++i;
            }
            CHECK(depth == 0);
            std::ranges::sort(seen);
            CHECK(seen.size() == count);
            for (std::uint32_t i = 0; i < seen.size(); ++i) CHECK(seen[i] == i + 1);
        }
    }
}
