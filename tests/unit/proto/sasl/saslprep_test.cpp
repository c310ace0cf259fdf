#include "proto/sasl/saslprep.hpp"

#include <doctest/doctest.h>

using posthorn::sasl::saslprep;

TEST_CASE("the examples of RFC 4013 §3") {
    for (const bool stored : {true, false}) {
        CHECK(saslprep("I\u00adX", stored) == "IX");
        CHECK(saslprep("user", stored) == "user");
        CHECK(saslprep("USER", stored) == "USER");
        CHECK(saslprep("\u00aa", stored) == "a");
        CHECK(saslprep("\u2168", stored) == "IX");
        CHECK_FALSE(saslprep("\x07", stored));
        CHECK_FALSE(
            saslprep("\u0627"
                     "1",
                     stored));
    }
}

TEST_CASE("spaces, composition, and what Unicode 3.2 did not know") {
    CHECK(saslprep("a\u00a0b", true) == "a b");
    CHECK(saslprep("Gru\u0308\u00dfe", true) == "Gr\u00fc\u00dfe");
    CHECK(saslprep("\U0001F600", false) == "\U0001F600");
    CHECK_FALSE(saslprep("\U0001F600", true));
    CHECK_FALSE(saslprep("", false));
    CHECK_FALSE(saslprep(std::string_view("a\0b", 3), false));
    CHECK_FALSE(saslprep("not \xff UTF-8", false));
    CHECK_FALSE(saslprep("\u00ad", false));
}
