// A hostile server: the input is what it says. The session must come to an end of every input, give each recipient
// one result, and never report as delivered what it has not sent to the last octet.
//
// First octet: options. Then records: a length (one octet) and what is said in answer to one read; the length 255
// stands for a lost connection.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "proto/smtp/client_session.hpp"

using namespace posthorn;
using namespace posthorn::smtp;

namespace {

constexpr int kMaxSteps = 100'000;

void require(bool condition) {
    if (!condition) std::abort();
}

mail::Envelope envelope(std::uint8_t options) {
    mail::Envelope e;
    e.reverse_path = {"from", "us.example"};
    e.recipients = {{{"a", "them.example"}, mail::notify::success, "rfc822;x@y"},
                    {{"\xc3\xa9", "them.example"}, 0, "utf-8;\xc3\xa9@y"},
                    {{"c", "b\xc3\xbc.example"}, mail::notify::never, ""}};
    e.smtputf8 = (options & 8U) != 0;
    if ((options & 16U) != 0) e.body = mail::BodyType::binary_mime;
    return e;
}

class Run {
public:
    Run(std::string_view input, std::uint8_t options)
        : input_(input), envelope_(envelope(options)), session_(client_options(options)) {}

    void all() {
        if (!until_idle()) return require(!session_.failure().status.empty());
        for (int i = 0; i < 3 && session_.reusable(); ++i) {
            sent_ = 0;
            session_.begin({&envelope_, {0, 1, 2}, kSize, false});
            const bool ready = until_idle();
            check(session_.take_results());
            if (!ready) return;
        }
        if (!session_.at_ready()) return;
        session_.quit();
        until_idle();
    }

private:
    static constexpr std::uint64_t kSize = kChunkSize + 1000;

    static ClientOptions client_options(std::uint8_t options) {
        ClientOptions o;
        o.hostname = "us.example";
        o.lmtp = (options & 1U) != 0;
        o.tls = static_cast<TlsPolicy>((options >> 1U) & 3U);
        if ((options & 32U) != 0) o.credentials = Credentials{"user", "secret", true};
        return o;
    }

    bool until_idle() {
        for (int step = 0; step < kMaxSteps; ++step) {
            const auto action = session_.next();
            switch (action.type) {
                case ClientAction::Type::read: answer(); break;
                case ClientAction::Type::write: require(!action.bytes.empty()); break;
                case ClientAction::Type::start_tls: session_.on_tls("TLSv1.3"); break;
                case ClientAction::Type::body: {
                    const auto size = std::min<std::uint64_t>(action.max, 64 << 10);
                    session_.body(std::string(size, '.'));
                    sent_ += size;
                    break;
                }
                case ClientAction::Type::ready: return true;
                case ClientAction::Type::close: return false;
            }
        }
        std::abort();
    }

    void answer() {
        if (input_.empty()) return session_.on_eof();
        const std::size_t size = static_cast<std::uint8_t>(input_.front());
        input_.remove_prefix(1);
        if (size == 255) return session_.on_failure(true, "lost");
        const auto said = input_.substr(0, size);
        input_.remove_prefix(said.size());
        session_.on_bytes(said);
    }

    void check(const std::vector<RecipientResult>& results) {
        require(results.size() == 3);
        for (const auto& result : results) {
            const bool delivered = result.outcome.kind == mail::Outcome::Kind::delivered;
            require(delivered == (result.scope == FailureScope::none));
            require(!delivered || sent_ == kSize);
            require(result.outcome.status.size() >= 5);
        }
    }

    std::string_view input_;
    mail::Envelope envelope_;
    ClientSession session_;
    std::uint64_t sent_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    Run({reinterpret_cast<const char*>(data) + 1, size - 1}, data[0]).all();
    return 0;
}
