#include "auth/password.hpp"

#include <doctest/doctest.h>

#include <set>

#include "base/base64.hpp"

using namespace posthorn;
using namespace posthorn::auth;

namespace {

constexpr HashCost kCheap{.memory = 8192, .passes = 1, .scram_iterations = 4096};
constexpr auto kPassword = "correct horse";

Match check(std::string hash, std::string_view password) {
    return check_password({.hash = std::move(hash)}, password, kCheap);
}

}  // namespace

TEST_CASE("a password is stored as argon2id with SCRAM verifiers beside it") {
    const auto stored = store_password(kPassword, kCheap);
    REQUIRE(stored);
    CHECK(stored->hash.starts_with("$argon2id$v=19$m=8,t=1,p=1$"));
    CHECK(check_password(*stored, kPassword, kCheap) == Match::yes);
    CHECK(check_password(*stored, "correct hors", kCheap) == Match::no);
    CHECK(check_password(*stored, "", kCheap) == Match::no);
    for (const auto hash : {ScramHash::sha_1, ScramHash::sha_256}) {
        const auto text = hash == ScramHash::sha_1 ? stored->scram_sha_1 : stored->scram_sha_256;
        const auto verifier = parse_scram(text, hash);
        REQUIRE(verifier);
        const auto again = scram_secrets(kPassword, verifier->salt, verifier->iterations, hash);
        CHECK(again.stored_key == verifier->stored_key);
        CHECK(again.server_key == verifier->server_key);
    }
    CHECK(store_password(kPassword, kCheap)->hash != stored->hash);
}

TEST_CASE("a password is the same however a keyboard writes it") {
    const std::string composed = "Gr\u00fc\u00dfe";
    const std::string decomposed = "Gru\u0308\u00dfe";
    const auto stored = store_password(decomposed, kCheap);
    REQUIRE(stored);
    CHECK(check_password(*stored, composed, kCheap) == Match::yes);
    CHECK(check_password(*stored, decomposed, kCheap) == Match::yes);
    CHECK(check_password(*stored, "Gru\u00dfe", kCheap) == Match::no);
    const auto verifier = parse_scram(stored->scram_sha_256, ScramHash::sha_256);
    REQUIRE(verifier);
    const auto clients = scram_secrets(composed, verifier->salt, verifier->iterations, ScramHash::sha_256);
    CHECK(clients.stored_key == verifier->stored_key);
}

TEST_CASE("a password that has no prepared form is taken as it is, without verifiers, and is up to date") {
    const std::string bell = "a\x07 bell";
    const auto stored = store_password(bell, kCheap);
    REQUIRE(stored);
    CHECK(stored->scram_sha_1.empty());
    CHECK(stored->scram_sha_256.empty());
    CHECK(check_password(*stored, bell, kCheap) == Match::yes);
}

TEST_CASE("what another system hashed unprepared lets in, and is due to be stored anew") {
    const StoredPassword theirs{.hash = "{SSHA}dr/bSH4iVZywKp5htMs/z2PrxyZzYWx0"};
    CHECK(check_password(theirs, "Gru\u0308\u00dfe", kCheap) == Match::outdated);
    CHECK(check_password(theirs, "Gr\u00fc\u00dfe", kCheap) == Match::no);
}

TEST_CASE("SCRAM keys are those of RFC 5802 §5 and RFC 7677 §3") {
    // Made with Python's hashlib from the password, salt and iterations of the RFCs' examples.
    const auto sha1 = scram_secrets("pencil", *base::base64_decode("QSXCR+Q6sek8bf92"), 4096, ScramHash::sha_1);
    CHECK(scram_text(sha1) == "4096,QSXCR+Q6sek8bf92,6dlGYMOdZcOPutkcNY8U2g7vK9Y=,D+CSWLOshSulAsxiupA+qs2/fTE=");
    const auto sha256 =
        scram_secrets("pencil", *base::base64_decode("W22ZaJ0SNY7soEsUEjb6gQ=="), 4096, ScramHash::sha_256);
    CHECK(scram_text(sha256) ==
          "4096,W22ZaJ0SNY7soEsUEjb6gQ==,WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=,"
          "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=");
}

TEST_CASE("what is no verifier is none") {
    for (const char* text : {"", "4096", "4096,QSXC,AAAA,AAAA", "0,QSXCR+Q6sek8bf92,6dlGYMOdZcOPutkcNY8U2g7vK9Y=,x",
                             "4096,,6dlGYMOdZcOPutkcNY8U2g7vK9Y=,D+CSWLOshSulAsxiupA+qs2/fTE=",
                             "x,QSXCR+Q6sek8bf92,6dlGYMOdZcOPutkcNY8U2g7vK9Y=,D+CSWLOshSulAsxiupA+qs2/fTE=",
                             "4096,QSXCR+Q6sek8bf92,6dlGYMOdZcOPutkcNY8U2g7vK9Y=,D+CSWLOshSulAsxiupA+qs2/fTE=,"})
        CHECK_FALSE(parse_scram(text, ScramHash::sha_1));
    CHECK_FALSE(parse_scram("4096,QSXCR+Q6sek8bf92,6dlGYMOdZcOPutkcNY8U2g7vK9Y=,D+CSWLOshSulAsxiupA+qs2/fTE=",
                            ScramHash::sha_256));
}

TEST_CASE("passwords that other systems stored are checked, and are due to be stored anew") {
    for (const char* hash :
         {"$y$j9T$saltsaltsalt$nNDsycEBP37XRiK/Qx62iZ4Jbzj3gHJ2kMaWwdseEp/",
          "$6$saltstring$.r0X7ub5wGR2v4Xz7svCIozfnlorFh19V89t8KC9Umd81uGhFgsyTRNyzQDXDIm17fFcR9z3z7oBNdsyYBbtm/",
          "{SHA512-CRYPT}$6$saltstring$."
          "r0X7ub5wGR2v4Xz7svCIozfnlorFh19V89t8KC9Umd81uGhFgsyTRNyzQDXDIm17fFcR9z3z7oBNds"
          "yYBbtm/",
          "$2b$05$CCCCCCCCCCCCCCCCCCCCC.WrAwgFxicHZ3kL7zMvXYXHKosDn8ot2",
          "{BLF-CRYPT}$2b$05$CCCCCCCCCCCCCCCCCCCCC.WrAwgFxicHZ3kL7zMvXYXHKosDn8ot2",
          "{SSHA}n0MgpE49UOlYSAptYLeZPpSboiVzYWx0eQ=="}) {
        CAPTURE(hash);
        CHECK(known_scheme(hash));
        CHECK(check(hash, kPassword) == Match::outdated);
        CHECK(check(hash, "correct horsf") == Match::no);
        CHECK(check(hash, std::string("correct horse\0x", 15)) == Match::no);
    }
}

TEST_CASE("what is no hash lets nobody in") {
    for (const char* hash : {"", "*", "!", "x", "correct horse", "{PLAIN}correct horse", "$6$", "$argon2id$",
                             "{SSHA}", "{SSHA}AAAA", "$1$abc$x", "*0"}) {
        CAPTURE(hash);
        CHECK(check(hash, kPassword) == Match::no);
        CHECK(check(hash, "") == Match::no);
    }
    CHECK_FALSE(known_scheme("{PLAIN}correct horse"));
    CHECK_FALSE(known_scheme(""));
}

TEST_CASE(
    "a hash of lower cost, and one without its verifiers, is due to be stored anew; one of higher cost is not") {
    const auto stored = *store_password(kPassword, kCheap);
    auto dearer = kCheap;
    dearer.passes = 2;
    CHECK(check_password(stored, kPassword, dearer) == Match::outdated);
    dearer = kCheap;
    dearer.memory = 16384;
    CHECK(check_password(stored, kPassword, dearer) == Match::outdated);
    CHECK(check_password(*store_password(kPassword, dearer), kPassword, kCheap) == Match::yes);
    CHECK(check(stored.hash, kPassword) == Match::outdated);
}

TEST_CASE("an absurdly long password is wrong, whatever is stored") {
    const std::string longest(kMaxPassword, 'x');
    const auto stored = *store_password(longest + "y", kCheap);
    CHECK(check_password(stored, longest + "y", kCheap) == Match::no);
    CHECK(check_password(*store_password(longest, kCheap), longest, kCheap) == Match::yes);
}

TEST_CASE("somebody unknown has the same salt at every try, another than others, and keys nobody can prove") {
    const auto one = scram_of_nobody("key", "a@example.org", 4096, ScramHash::sha_256);
    const auto two = scram_of_nobody("key", "a@example.org", 4096, ScramHash::sha_256);
    CHECK(one.salt == two.salt);
    CHECK(one.salt.size() == 16);
    CHECK(one.iterations == 4096);
    CHECK(one.stored_key.size() == 32);
    CHECK(one.stored_key != two.stored_key);
    CHECK(scram_of_nobody("key", "b@example.org", 4096, ScramHash::sha_256).salt != one.salt);
    CHECK(scram_of_nobody("other", "a@example.org", 4096, ScramHash::sha_256).salt != one.salt);
    CHECK(scram_of_nobody("key", "a@example.org", 4096, ScramHash::sha_1).salt != one.salt);
}

TEST_CASE("generated passwords differ, and are recognised however their groups are written") {
    std::set<std::string> seen;
    for (int i = 0; i < 100; ++i) seen.insert(generate_password());
    CHECK(seen.size() == 100);
    CHECK(seen.begin()->size() == 27);
    const auto hash = app_password_hash("abcdef-ghijkm-npqrst-uvwxyz");
    CHECK(app_password_hash("abcdefghijkmnpqrstuvwxyz") == hash);
    CHECK(app_password_hash("ABCDEF GHIJKM NPQRST UVWXYZ") == hash);
    CHECK(app_password_hash("abcdef-ghijkm-npqrst-uvwxy2") != hash);
}

TEST_CASE("a wiped secret is gone from its memory") {
    std::string secret(40, 's');
    const char* where = secret.data();
    wipe(secret);
    CHECK(secret.empty());
    for (std::size_t i = 0; i < 40; ++i) CHECK(where[i] == '\0');
}
