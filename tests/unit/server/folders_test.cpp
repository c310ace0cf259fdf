#include "server/folders.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "server/options.hpp"
#include "server/pid_file.hpp"

using namespace posthorn;
using namespace posthorn::server;

namespace {

struct Folder {
    Folder() {
        char name[] = "/tmp/posthorn-test-XXXXXX";
        path = ::mkdtemp(name);
    }
    ~Folder() { std::filesystem::remove_all(path); }
    std::string path;
};

std::string content(const std::string& path) {
    std::ifstream in(path);
    return {std::istreambuf_iterator<char>(in), {}};
}

std::expected<Options, std::string> parse(std::vector<const char*> words) {
    words.insert(words.begin(), "posthornd");
    return parse_options(static_cast<int>(words.size()), words.data());
}

}  // namespace

TEST_CASE("a PID file says who we are, refuses a second taker, and goes with us") {
    const Folder folder;
    const auto path = folder.path + "/p.pid";
    {
        const auto first = PidFile::take(path);
        REQUIRE(first);
        CHECK(content(path) == std::to_string(::getpid()) + "\n");
        const auto second = PidFile::take(path);
        REQUIRE_FALSE(second);
        CHECK(second.error().log_text.find("process " + std::to_string(::getpid()) + " is running") !=
              std::string::npos);
    }
    CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("a PID file that a crash left behind is overwritten") {
    const Folder folder;
    const auto path = folder.path + "/p.pid";
    std::ofstream(path) << "999999999999 and more than we will write\n";
    const auto file = PidFile::take(path);
    REQUIRE(file);
    CHECK(content(path) == std::to_string(::getpid()) + "\n");
}

TEST_CASE("folders are made with their parents and explicit modes, whatever the umask") {
    const Folder folder;
    const auto before = ::umask(077);
    ServerSection server;
    server.data_dir = folder.path + "/a/b/data";
    server.spool_dir = folder.path + "/spool";
    server.runtime_dir = folder.path + "/run";
    CHECK(make_folders(server, std::nullopt));
    ::umask(before);
    struct stat info{};
    REQUIRE(::stat(server.data_dir.c_str(), &info) == 0);
    CHECK((info.st_mode & 0777U) == 0750);
    REQUIRE(::stat(server.runtime_dir.c_str(), &info) == 0);
    CHECK((info.st_mode & 0777U) == 0755);
    std::ofstream(folder.path + "/file");
    server.spool_dir = folder.path + "/file";
    CHECK_FALSE(make_folders(server, std::nullopt));
}

TEST_CASE("the owner's own folders keep their group, others are given to the owner") {
    if (::geteuid() != 0) return;  // only root gives folders away
    const Folder folder;
    ServerSection server;
    server.data_dir = folder.path + "/data";
    server.spool_dir = folder.path + "/spool";
    server.runtime_dir = folder.path + "/run";
    std::filesystem::create_directory(server.spool_dir);
    std::filesystem::create_directory(server.data_dir);
    REQUIRE(::chown(server.spool_dir.c_str(), 12345, 54321) == 0);
    CHECK(make_folders(server, Identity{.uid = 12345, .gid = 12345, .user = "x"}));
    const auto owner = [](const std::string& path) {
        struct stat info{};
        REQUIRE(::stat(path.c_str(), &info) == 0);
        return std::pair(info.st_uid, info.st_gid);
    };
    CHECK(owner(server.spool_dir) == std::pair(uid_t{12345}, gid_t{54321}));
    CHECK(owner(server.data_dir) == std::pair(uid_t{12345}, gid_t{12345}));
    CHECK(owner(server.runtime_dir) == std::pair(uid_t{12345}, gid_t{12345}));
}

TEST_CASE("listeners.json tells where we really listen") {
    const Folder folder;
    const auto path = folder.path + "/listeners.json";
    const net::Endpoint at{.ip = {.bytes = {127, 0, 0, 1}}, .port = 2525};
    CHECK(write_listeners(path, {{"smtp", at}, {"control", {.unix_path = "/x/control.sock"}}}));
    CHECK(content(path) ==
          R"({"listeners":[{"protocol":"smtp","address":"127.0.0.1","port":2525,"endpoint":"127.0.0.1:2525"},)"
          R"({"protocol":"control","address":"unix:/x/control.sock","port":0,"endpoint":"unix:/x/control.sock"}]})"
          "\n");
}

TEST_CASE("users are named or numbered") {
    CHECK(user_ids({"root", "1234"}) == std::vector<unsigned>{0, 1234});
    CHECK(user_ids({"no such user here"}).error().log_text == "there is no user no such user here");
    CHECK(group_ids({"root", "1234"}) == std::vector<unsigned>{0, 1234});
    CHECK(group_ids({"no such group here"}).error().log_text == "there is no group no such group here");
}

TEST_CASE("a user who is not there is refused, our own means no change") {
    ServerSection server;
    CHECK(wanted_identity(server).value() == std::nullopt);
    server.user = "no such user here";
    CHECK_FALSE(wanted_identity(server));
}

TEST_CASE("the command line") {
    CHECK(parse({})->action == Options::Action::run);
    CHECK(parse({"-c", "x", "--ephemeral"})->config == "x");
    CHECK(parse({"--check-config", "--config=x"})->action == Options::Action::check_config);
    CHECK(parse({"--version"})->action == Options::Action::version);
    CHECK_FALSE(parse({"--nonsense"}));
    CHECK_FALSE(parse({"word"}));
    CHECK_FALSE(parse({"-c"}));
    CHECK_FALSE(parse({"-c", ""}));
}
