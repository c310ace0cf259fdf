// What every backend must answer. Each brings the same content in its own way:
//   example.org: account ann, password "correct horse", name "Ann", quota 1 MiB and 100 messages
//                account bob, password "battery staple", disabled
//                alias team, to ann@example.org and carl@example.net
//   example.com: a catch-all to ann@example.org
#pragma once

#include <doctest/doctest.h>

#include <optional>

#include "auth/impl/backend.hpp"
#include "net/sim_loop.hpp"

namespace posthorn::auth::testing {

// Runs one task to its end and gives its answer.
template <class T>
net::Task<> keep_answer(std::optional<T>* out, net::Task<T> task) {
    out->emplace(co_await std::move(task));
}
template <class T>
T answer_of(net::SimLoops& loops, net::Task<T> task) {
    std::optional<T> out;
    REQUIRE(loops.run(keep_answer(&out, std::move(task))));
    return *std::move(out);
}

// Asks as the logins do: a backend checks passwords itself or gives what they are checked against.
inline bool right_password(net::SimLoops& loops, impl::Backend& backend, mail::AccountName name,
                           const char* password) {
    auto& loop = loops.at(0);
    if (backend.checks()) {
        const auto answer = answer_of(loops, backend.check(loop, std::move(name), password));
        if (!answer) FAIL(answer.error().log_text);
        return *answer;
    }
    const auto secrets = answer_of(loops, backend.secrets(loop, std::move(name)));
    REQUIRE(secrets);
    return *secrets && check_password((*secrets)->password, password, {}) != Match::no;
}

inline void backend_contract(net::SimLoops& loops, impl::Backend& backend) {
    auto& loop = loops.at(0);
    const mail::AccountName ann{"ann", "example.org"};
    const mail::AccountName bob{"bob", "example.org"};
    const auto find = [&](std::string local, std::string domain) {
        const mail::AccountName name{std::move(local), std::move(domain)};
        auto found = answer_of(loops, backend.find(loop, name));
        if (!found) FAIL(found.error().log_text);
        return *found;
    };

    CHECK(backend.serves("example.org"));
    CHECK(backend.serves("example.com"));
    CHECK_FALSE(backend.serves("example.net"));
    CHECK(backend.domains() == std::vector<std::string>{"example.com", "example.org"});

    auto found = find("ann", "example.org");
    REQUIRE((found && found->account));
    CHECK(found->account->name == ann);
    CHECK_FALSE(found->account->disabled);
    CHECK(found->account->quota == Quota{1U << 20U, 100});
    CHECK(found->account->display_name == "Ann");
    found = find("bob", "example.org");
    REQUIRE((found && found->account));
    CHECK(found->account->disabled);

    found = find("team", "example.org");
    REQUIRE((found && !found->account));
    REQUIRE(found->targets.size() == 2);
    CHECK(found->targets[0].to_string() == "ann@example.org");
    CHECK(found->targets[1].to_string() == "carl@example.net");
    found = find("", "example.com");
    REQUIRE((found && !found->account));
    CHECK(found->targets.size() == 1);
    CHECK_FALSE(find("", "example.org"));
    CHECK_FALSE(find("nobody", "example.org"));
    CHECK_FALSE(find("ann", "example.com"));
    for (const char* odd : {"*", "ann'", "ann' OR '1'='1", "an%", "ann)(uid=*", "ann\\", ":local", "a:b"}) {
        CAPTURE(odd);
        CHECK_FALSE(find(odd, "example.org"));
    }

    CHECK(backend.mechanisms().password);
    CHECK(right_password(loops, backend, ann, "correct horse"));
    CHECK_FALSE(right_password(loops, backend, ann, "battery staple"));
    CHECK_FALSE(right_password(loops, backend, ann, ""));
    CHECK(right_password(loops, backend, bob, "battery staple"));
    CHECK_FALSE(right_password(loops, backend, {"team", "example.org"}, "correct horse"));
    CHECK_FALSE(right_password(loops, backend, {"nobody", "example.org"}, ""));
    if (backend.mechanisms().scram_sha_256) {
        const auto secrets = answer_of(loops, backend.secrets(loop, ann));
        REQUIRE((secrets && *secrets));
        const auto verifier = parse_scram((*secrets)->password.scram_sha_256, ScramHash::sha_256);
        REQUIRE(verifier);
        CHECK(scram_secrets("correct horse", verifier->salt, verifier->iterations, ScramHash::sha_256).stored_key ==
              verifier->stored_key);
    }
}

}  // namespace posthorn::auth::testing
