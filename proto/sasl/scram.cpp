// SCRAM (RFC 5802, 7677, 9266). The exchange and its mathematics are libgsasl's; what this file adds is that the
// secret is asked for before the step that needs it, and that the server's last word waits for the verdict.
#include <gsasl.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "base/ascii.hpp"
#include "base/base64.hpp"
#include "proto/sasl/simple.hpp"

namespace posthorn::sasl {
namespace {

constexpr std::string_view kBinding = "tls-exporter";

// The table of mechanisms: made once, only read afterwards, by any thread.
Gsasl* library() {
    static Gsasl* const made = [] {
        Gsasl* context = nullptr;
        if (gsasl_init(&context) != GSASL_OK) throw std::runtime_error("libgsasl does not start");
        return context;
    }();
    return made;
}

struct Finish {
    void operator()(Gsasl_session* session) const { gsasl_finish(session); }
};
using Session = std::unique_ptr<Gsasl_session, Finish>;

void set(Gsasl_session& session, Gsasl_property property, std::string value) {
    if (gsasl_property_set_raw(&session, property, value.data(), value.size()) != GSASL_OK) throw std::bad_alloc();
    wipe(value);
}

std::string_view take_field(std::string_view& text) {
    const auto field = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), field.size() + 1));
    return field;
}

// RFC 5802 §7 client-first-message, as far as it says who comes.
struct ClientFirst {
    char binding = 'n';
    std::string binding_name;
    std::string authzid;
    std::string user;
};

bool parse(std::string_view text, ClientFirst& out) {
    const auto flag = take_field(text);
    if (flag.starts_with("p=") && flag.size() > 2) {
        out.binding = 'p';
        out.binding_name = flag.substr(2);
    } else if (flag == "n" || flag == "y") {
        out.binding = flag.front();
    } else {
        return false;
    }
    const auto authzid = take_field(text);
    if (!authzid.empty() && (!authzid.starts_with("a=") || !decode_saslname(authzid.substr(2), out.authzid))) {
        return false;
    }
    const auto user = take_field(text);  // "m=", an extension that must be understood, is none of ours
    return user.starts_with("n=") && decode_saslname(user.substr(2), out.user) && sound_name(out.user) &&
           text.starts_with("r=");
}

class Scram final : public Server {
public:
    Scram(Mechanism mechanism, ServerContext context) : mechanism_(mechanism), context_(std::move(context)) {}
    ~Scram() override { wipe(context_.tls_exporter); }

    Step start(std::optional<std::string_view> initial) override {
        expect(Stage::start);
        if (initial) return client_first(*initial);
        stage_ = Stage::first;
        return Challenge{};
    }

    Step respond(std::string_view response) override {
        switch (std::exchange(stage_, Stage::over)) {
            case Stage::first: return client_first(response);
            case Stage::final: return client_final(response);
            // RFC 4422 §5: where the protocol has no room for octets beside its success, they came as a challenge.
            case Stage::last_word: return response.empty() ? Step(Done{}) : malformed();
            default: throw std::logic_error("sasl: not its turn");
        }
    }

    Step secret(ScramSecret secret) override {
        expect(Stage::secret);
        Gsasl_session* made = nullptr;
        if (gsasl_server_start(library(), std::string(name(mechanism_)).c_str(), &made) != GSASL_OK) {
            throw std::runtime_error("libgsasl lacks " + std::string(name(mechanism_)));
        }
        session_.reset(made);
        set(*made, GSASL_SCRAM_ITER, std::to_string(secret.iterations));
        set(*made, GSASL_SCRAM_SALT, base::base64_encode(secret.salt));
        set(*made, GSASL_SCRAM_STOREDKEY, base::base64_encode(secret.stored_key));
        set(*made, GSASL_SCRAM_SERVERKEY, base::base64_encode(secret.server_key));
        wipe(secret.stored_key);
        wipe(secret.server_key);
        if (bound()) set(*made, GSASL_CB_TLS_EXPORTER, base::base64_encode(context_.tls_exporter));
        std::string reply;
        const int result = step(first_, reply);
        if (result != GSASL_NEEDS_MORE) return failure(result);
        stage_ = Stage::final;
        return Challenge{std::move(reply)};
    }

    Step grant() override {
        expect(Stage::verdict);
        if (!proved_) return refused();
        stage_ = Stage::last_word;
        return Challenge{std::move(last_word_)};
    }

    Step deny() override {
        if (stage_ != Stage::secret && stage_ != Stage::verdict) throw std::logic_error("sasl: not its turn");
        stage_ = Stage::over;
        return refused();
    }

private:
    enum class Stage : std::uint8_t { start, first, secret, final, verdict, last_word, over };

    void expect(Stage stage) {
        if (stage_ != stage) throw std::logic_error("sasl: not its turn");
        stage_ = Stage::over;
    }

    bool bound() const { return mechanism_ == Mechanism::scram_sha_256_plus; }

    static Step failure(int result) { return result == GSASL_MECHANISM_PARSE_ERROR ? malformed() : refused(); }

    int step(std::string_view input, std::string& output) {
        char* bytes = nullptr;
        std::size_t size = 0;
        const int result = gsasl_step(session_.get(), input.data(), input.size(), &bytes, &size);
        if (bytes != nullptr) output.assign(bytes, size);
        gsasl_free(bytes);
        return result;
    }

    Step client_first(std::string_view message) {
        stage_ = Stage::over;
        ClientFirst first;
        if (message.size() > kMaxSecret || message.contains('\0') || !parse(message, first)) return malformed();
        // RFC 5802 §6: somebody took our -PLUS out of the list, or it would have been used.
        if (first.binding == 'y' && context_.plus_offered) return refused();
        if (bound() != (first.binding == 'p')) return refused();
        if (bound() && (first.binding_name != kBinding || context_.tls_exporter.empty())) return refused();
        if (!first.authzid.empty() && !base::iequals(first.authzid, first.user)) return refused();
        first_ = message;
        stage_ = Stage::secret;
        return NeedSecret{std::move(first.user),
                          mechanism_ == Mechanism::scram_sha_1 ? ScramHash::sha_1 : ScramHash::sha_256};
    }

    Step client_final(std::string_view message) {
        const int result = step(message, last_word_);
        if (result == GSASL_MECHANISM_PARSE_ERROR) return malformed();
        proved_ = result == GSASL_OK;
        stage_ = Stage::verdict;
        return NeedVerdict{proved_};
    }

    Mechanism mechanism_;
    ServerContext context_;
    Stage stage_ = Stage::start;
    std::string first_;
    std::string last_word_;
    bool proved_ = false;
    Session session_;
};

}  // namespace

std::unique_ptr<Server> make_scram(Mechanism mechanism, ServerContext context) {
    return std::make_unique<Scram>(mechanism, std::move(context));
}

}  // namespace posthorn::sasl
