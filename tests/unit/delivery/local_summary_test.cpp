#include "delivery/local_summary.hpp"

#include <doctest/doctest.h>

using namespace posthorn;
using delivery::LocalSummary;

namespace {

constexpr std::string_view kText =
    "Received: from a\r\n\tby b; now\r\nMessage-ID: <1@x>\r\nSubject: Re: hello\r\n"
    "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nfirst\r\n--b\r\nContent-Type: "
    "message/rfc822\r\n\r\n"
    "Subject: inner\r\n\r\ninside\r\n--b--\r\n";

std::string straight(std::string text) {
    mail::SummaryBuilder builder;
    builder.feed(text);
    return mail::encode_summary(builder.finish());
}

}  // namespace

TEST_CASE("a summary holds for each copy, whatever stands before it, as if it had been made of that copy") {
    const auto summary = delivery::summarise(store::MemorySource(std::string(kText))).value();
    for (const std::string prefix : {"", "Return-Path: <a@b>\r\nDelivered-To: c@d\r\n", "X: y\r\n",
                                     "Return-Path: <>\r\nDelivered-To: somebody@else.example\r\n", ""}) {
        CAPTURE(prefix);
        CHECK(*summary->blob(prefix) == straight(prefix + std::string(kText)));
    }
    CHECK(summary->thread_keys() == std::vector<std::string>{"<1@x> hello"});
}
