#include "control/permissions.hpp"

#include <doctest/doctest.h>

using namespace posthorn;
using namespace posthorn::control;

TEST_CASE("who may do what") {
    const Permissions permissions{
        .write = {7}, .read = {8}, .write_groups = {70}, .read_groups = {80}, .auth = {}, .names = {}};
    CHECK(role_of(permissions, {.uid = 0}, 1000) == Role::write);
    CHECK(role_of(permissions, {.uid = 1000}, 1000) == Role::write);
    CHECK(role_of(permissions, {.uid = 7}, 1000) == Role::write);
    CHECK(role_of(permissions, {.uid = 8}, 1000) == Role::read);
    CHECK_FALSE(role_of(permissions, {.uid = 9}, 1000));
    CHECK_FALSE(role_of(permissions, {}, 1000));
}

TEST_CASE("of a user and its groups the highest role holds") {
    const Permissions permissions{
        .write = {7}, .read = {8}, .write_groups = {70}, .read_groups = {80}, .auth = {}, .names = {}};
    CHECK(role_of(permissions, {.uid = 9, .groups = {1, 80}}, 1000) == Role::read);
    CHECK(role_of(permissions, {.uid = 9, .groups = {80, 70}}, 1000) == Role::write);
    CHECK(role_of(permissions, {.uid = 8, .groups = {70}}, 1000) == Role::write);
    CHECK(role_of(permissions, {.uid = 7, .groups = {80}}, 1000) == Role::write);
    CHECK_FALSE(role_of(permissions, {.uid = 9, .groups = {0, 7, 8, 1000}}, 1000));  // gids are no uids
    CHECK_FALSE(role_of(permissions, {.uid = 9}, 1000));
}

TEST_CASE("of user and token the lower role holds") {
    Permissions who;
    CHECK_FALSE(refusal(who, Role::write, Role::write, ""));
    CHECK_FALSE(refusal(who, Role::read, Role::read, "whatever"));
    CHECK(refusal(who, Role::write, Role::read, ""));
    CHECK(refusal(who, Role::read, std::nullopt, ""));
    who.auth = {.enabled = true,
                .tokens = {{base::sha256("look"), Role::read}, {base::sha256("act"), Role::write}}};
    CHECK_FALSE(refusal(who, Role::read, Role::read, "look"));
    CHECK_FALSE(refusal(who, Role::read, Role::read, "act"));
    CHECK_FALSE(refusal(who, Role::write, Role::write, "act"));
    CHECK(refusal(who, Role::write, Role::write, "look") == "is not allowed with this token");
    CHECK(refusal(who, Role::write, Role::read, "act") == "is not allowed for you");
    CHECK(refusal(who, Role::read, std::nullopt, "act") == "is not allowed for you");
    CHECK(refusal(who, Role::read, Role::write, "")->starts_with("wants a token"));
    CHECK(refusal(who, Role::read, Role::write, "loo") == "is not allowed: nobody knows that token");
    CHECK(role_of_token(who, "act") == Role::write);
    CHECK_FALSE(role_of_token(who, ""));
}
