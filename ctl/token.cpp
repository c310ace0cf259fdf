#include "ctl/token.hpp"

#include <array>
#include <cerrno>
#include <cstdlib>
#include <fstream>

#include "base/random.hpp"
#include "base/sha256.hpp"

namespace posthorn::ctl {
namespace {

constexpr std::size_t kMaxToken = 4096;

std::string first_line(std::string text) {
    text.erase(std::min(text.find('\n'), text.size()));
    if (text.ends_with('\r')) text.pop_back();
    return text;
}

}  // namespace

base::Result<std::string> find_token(const std::string& token, const std::string& file) {
    if (!token.empty()) return token;
    if (file.empty()) {
        const char* value = std::getenv("MAILCTL_TOKEN");
        return value != nullptr ? value : "";
    }
    std::ifstream in(file, std::ios::binary);
    if (!in) return base::fail_errno("token file " + file, errno);
    std::string text(kMaxToken, '\0');
    in.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(in.gcount()));
    text = first_line(std::move(text));
    if (text.empty()) return base::fail(base::ErrorKind::permanent, "token file " + file + " holds no token");
    return text;
}

control::Value new_token() {
    base::Sha256 bits{};
    base::secure_random(bits.data(), bits.size());
    const auto token = base::hex(bits);
    return control::Value::map().set("token", token).set("sha256", base::hex(base::sha256(token)));
}

}  // namespace posthorn::ctl
