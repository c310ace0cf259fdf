// POP3 clients of any kind: the machine never hangs, throws or grows, and what it says does not depend on how the
// octets were cut. The first octet chooses what the driver answers.
#include <cstdint>
#include <cstdlib>

#include "tests/support/pop3_play.hpp"

using namespace posthorn;

namespace {

struct Said {
    std::string output;
    std::vector<std::uint32_t> removed;
    bool operator==(const Said&) const = default;
};

Said play(std::uint8_t how, std::string_view input, std::size_t octets, bool stls) {
    pop3::ServerOptions options;
    options.hostname = "mx";
    options.clear_login = (how & 1U) == 0;
    options.starttls = stls;
    options.mechanisms = {sasl::Mechanism::plain, sasl::Mechanism::login, sasl::Mechanism::oauthbearer,
                          sasl::Mechanism::external};
    pop3::ServerSession machine(options);
    tests::Pop3Play driver;
    driver.user = "a";
    driver.password = "b";
    driver.octets = octets;
    driver.piece = octets;
    driver.verdict = static_cast<pop3::LoginVerdict>((how >> 1U) % 5);
    driver.message_fails = (how & 16U) != 0;
    driver.update_fails = (how & 32U) != 0;
    driver.run(machine, input);
    if (driver.largest_write > 4 * pop3::ServerSession::kMaxOutput) std::abort();
    return {driver.output, driver.removed};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
    const auto whole = play(data[0], input, 1 << 16, false);
    // STLS throws away what came with it: there the cut matters.
    if (whole != play(data[0], input, 1, false)) std::abort();
    play(data[0], input, 3, true);
    return 0;
}
