// Certificates of our own making, and whose they are then.
#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "server/parts.hpp"

using namespace posthorn;
using namespace posthorn::server;

namespace {

uid_t owner_of(const std::string& path) {
    struct stat info{};
    return ::lstat(path.c_str(), &info) == 0 ? info.st_uid : static_cast<uid_t>(-1);
}

}  // namespace

TEST_CASE("the user we become is given our certificate, and nothing that links lead to") {
    if (::geteuid() != 0) return;  // only root gives files away
    char name[] = "/tmp/posthorn-test-XXXXXX";
    const std::string folder = ::mkdtemp(name);
    Config config;
    config.server.hostname = "mx.example";
    config.server.data_dir = folder;
    const Identity user{.uid = 12345, .gid = 12345, .user = "somebody"};
    REQUIRE(make_tls(config, user));
    const auto key = folder + "/tls/self-signed.key";
    CHECK(owner_of(folder + "/tls") == user.uid);
    CHECK(owner_of(key) == user.uid);

    // What that user could do until the next start.
    const auto precious = folder + "/precious";
    std::filesystem::rename(key, precious);
    REQUIRE(::chown(precious.c_str(), 0, 0) == 0);
    std::filesystem::create_symlink(precious, key);
    REQUIRE(make_tls(config, user));
    CHECK(owner_of(precious) == 0);

    const auto elsewhere = folder + "/elsewhere";
    std::filesystem::rename(folder + "/tls", elsewhere);
    REQUIRE(::chown(elsewhere.c_str(), 0, 0) == 0);
    std::filesystem::create_symlink(elsewhere, folder + "/tls");
    CHECK_FALSE(make_tls(config, user));
    CHECK(owner_of(elsewhere) == 0);
    std::filesystem::remove_all(folder);
}
