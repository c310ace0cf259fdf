#include "auth/impl/file_backend.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>

#include "base/log.hpp"
#include "tests/unit/auth/backend_contract.hpp"

using namespace posthorn;
using namespace posthorn::auth;
using namespace std::chrono_literals;
using auth::testing::answer_of;

namespace {

constexpr HashCost kCheap{.memory = 8192, .passes = 1, .scram_iterations = 4096};

std::string content() {
    const auto ann = *store_password("correct horse", kCheap);
    const auto bob = *store_password("battery staple", kCheap);
    return "# people\n\nAnn@Example.org:" + ann.hash +
           ":name=Ann;quota=1MiB;max_messages=100;scram_sha_1=" + ann.scram_sha_1 +
           ";scram_sha_256=" + ann.scram_sha_256 + "\nbob@example.org:" + bob.hash +
           ":disabled\nteam@example.org => ann@example.org, carl@example.net\n@example.com => ann@example.org\n";
}

struct World {
    World() {
        path = (std::filesystem::temp_directory_path() / "posthorn-accounts-XXXXXX").string();
        const int fd = ::mkstemp(path.data());
        REQUIRE(fd >= 0);
        ::close(fd);
        disk = loops.make_pool("disk", 10);
        write(content());
        auto opened = impl::FileBackend::open(path, *disk);
        REQUIRE(opened);
        backend = *std::move(opened);
    }
    ~World() { std::filesystem::remove(path); }
    void write(const std::string& text) {
        std::ofstream(path + ".new") << text;
        std::filesystem::rename(path + ".new", path);  // another inode
    }
    bool knows(const std::string& local) {
        const mail::AccountName name{local, "example.org"};
        return answer_of(loops, backend->find(loops.at(0), name))->has_value();
    }

    net::SimLoops loops;
    std::unique_ptr<net::Pool> disk;
    std::string path;
    std::unique_ptr<impl::FileBackend> backend;
};

std::string refusal(std::string_view text) {
    const auto parsed = impl::parse_accounts_file(text);
    return parsed ? "fine" : parsed.error().log_text;
}

}  // namespace

TEST_CASE("the file backend keeps the contract") {
    World w;
    auth::testing::backend_contract(w.loops, *w.backend);
}

TEST_CASE("a file that changes is read again; one that is wrong or gone leaves what was read") {
    World w;
    const base::log::Capture log;
    CHECK_FALSE(w.knows("carl"));
    w.write(content() + "carl@example.org::\n");
    w.loops.run_for(2s);
    CHECK(w.knows("carl"));
    CHECK(log.contains("auth.file_read"));
    w.write("not a line\n");
    w.loops.run_for(2s);
    CHECK(w.knows("carl"));
    CHECK(log.contains("line 1"));
    std::filesystem::remove(w.path);
    w.loops.run_for(2s);
    CHECK(w.knows("carl"));
    w.write(content());
    w.loops.run_for(2s);
    CHECK_FALSE(w.knows("carl"));
}

TEST_CASE("a wrong line is named with its reason") {
    CHECK(refusal("") == "fine");
    CHECK(refusal("# x\n@example.org\nann@example.org::\r\n") == "fine");
    CHECK(refusal("ann@example.org") == "line 1: neither \":\" nor \"=>\" follows the address");
    CHECK(refusal("\nann:x:\n").starts_with("line 2: \"ann\" is not an address"));
    CHECK(refusal("ann@example.org:plain:").starts_with("line 1: that is no hash"));
    CHECK(refusal("ann@example.org::quota=much").starts_with("line 1: \"much\""));
    CHECK(refusal("ann@example.org::colour=red").starts_with("line 1: there is no option"));
    CHECK(refusal("ann@example.org::scram_sha_1=1,2,3,4").starts_with("line 1: that is no SCRAM"));
    CHECK(refusal("ann@example.org::\nANN@example.org::").starts_with("line 2: ANN@example.org is there twice"));
    CHECK(refusal("a@example.org =>").starts_with("line 1: an alias without"));
    CHECK(refusal("a@example.org => b").starts_with("line 1: \"b\" is not an address"));
    CHECK(refusal("@example.org::").starts_with("line 1: an account without a name"));
}
