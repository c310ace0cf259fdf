#include <doctest/doctest.h>

#include "control/protocol/commands.hpp"
#include "control/protocol/frame.hpp"
#include "control/protocol/value.hpp"

using namespace posthorn::control;

namespace {

Value sample() {
    auto inner = Value::list();
    inner.add(1).add(-7).add("text").add(true).add(Value()).add(2.5);
    auto map = Value::map();
    map.set("list", inner).set("empty", Value::map()).set("none", Value::list()).set("big", std::int64_t{1} << 40);
    return map;
}

}  // namespace

TEST_CASE("a value survives the wire and shows as JSON") {
    CHECK(decode(encode(sample()), 100) == sample());
    CHECK(to_json(sample(), false) ==
          R"({"list":[1,-7,"text",true,null,2.5],"empty":{},"none":[],"big":1099511627776})");
    auto small = Value::map();
    small.set("a", Value::list().add(1));
    CHECK(to_json(small, true) == "{\n  \"a\": [\n    1\n  ]\n}");
}

TEST_CASE("octets that are no text stay what they are") {
    const Value bytes = Bytes{std::string("\xFF\0\r\n", 4)};
    CHECK(encode(bytes) == std::string("\xC4\x04\xFF\0\r\n", 6));
    CHECK(decode(encode(bytes), 1) == bytes);
    CHECK(bytes.as<std::string>() == nullptr);
    CHECK(to_json(bytes, false) == "\"\\ufffd\\u0000\\r\\n\"");
}

TEST_CASE("what is no value, or too much of one, is refused at every cut") {
    const auto bytes = encode(sample());
    for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
        CAPTURE(cut);
        CHECK_FALSE(decode(bytes.substr(0, cut), 100));
    }
    CHECK_FALSE(decode(bytes + "x", 100));
    CHECK_FALSE(decode(bytes, 5));
    CHECK_FALSE(decode(std::string("\xDD\xFF\xFF\xFF\xFF", 5), 100));  // an array of four thousand millions
    CHECK_FALSE(decode(std::string(100, '\x91'), 1000));               // nested a hundred deep
    CHECK_FALSE(decode("\x81\x01\x01", 100));                          // a key that is no string
}

TEST_CASE("frames are cut from a stream however it comes") {
    const auto stream = frame("one") + frame("") + frame("three");
    for (std::size_t step = 1; step <= stream.size(); ++step) {
        FrameReader reader;
        std::vector<std::string> found;
        std::string_view rest = stream;
        while (!rest.empty()) {
            const auto piece = rest.substr(0, std::min(step, reader.wants()));
            reader.feed(piece);
            rest.remove_prefix(piece.size());
            if (reader.complete()) found.push_back(reader.take());
        }
        CHECK(found == std::vector<std::string>{"one", "", "three"});
        CHECK(reader.empty());
    }
}

TEST_CASE("an oversized frame is known by its length and takes no memory") {
    FrameReader reader;
    reader.feed(std::string_view("\x00\x10\x00\x01", 4));
    CHECK(reader.oversized());
    CHECK(reader.wants() == 0);
    CHECK_FALSE(reader.complete());
}

TEST_CASE("requests and answers survive the wire") {
    auto args = Value::map();
    args.set("limit", 5);
    std::int64_t id = 0;
    const auto request =
        decode_request(encode_request({.id = 7, .token = "t", .command = "queue.list", .args = args}), id);
    REQUIRE(request);
    CHECK((request->id == 7 && request->token == "t" && request->command == "queue.list" && request->args == args));

    const auto answer = decode_answer(encode_answer({.id = 7, .result = sample(), .info = 3, .more = true}));
    REQUIRE(answer);
    CHECK((answer->ok && answer->more && answer->result == sample() && answer->info == Value(3)));
    const auto refusal =
        decode_answer(encode_answer({.id = 7, .ok = false, .code = "not_found", .message = "no such message"}));
    REQUIRE(refusal);
    CHECK((!refusal->ok && refusal->code == "not_found" && refusal->message == "no such message"));
}

TEST_CASE("a request of another version is refused, its id told") {
    auto map = Value::map();
    map.set("v", 2).set("id", 9).set("cmd", "system.ping");
    std::int64_t id = 0;
    CHECK_FALSE(decode_request(encode(map), id));
    CHECK(id == 9);
}

TEST_CASE("arguments are checked against the table") {
    const auto* list = find_command("queue.list");
    REQUIRE(list != nullptr);
    const auto with = [](std::string key, Value v) { return Value::map().set(std::move(key), std::move(v)); };
    CHECK_FALSE(check_args(*list, Value::map()));
    CHECK_FALSE(check_args(*list, with("older_than", "1h30m")));
    CHECK(check_args(*list, with("older_than", "soon")) ==
          "argument older_than wants a duration such as \"1h30m\"");
    CHECK(check_args(*list, with("limit", 0)) == "argument limit wants an integer from 1 to 10000000");
    CHECK(check_args(*list, with("status", "bored")) ==
          "argument status wants one of pending, in-flight, deferred, frozen, failed");
    CHECK(check_args(*list, with("limt", 1)) == "queue.list has no argument limt; did you mean limit?");
    CHECK(check_args(*find_command("queue.view"), Value::map()) == "queue.view needs the argument id");
    CHECK(check_args(*find_command("queue.retry"), with("ids", Value::list().add("x"))) ==
          "\"x\" is not a message id");
    CHECK(find_command("queue.burn") == nullptr);
}
