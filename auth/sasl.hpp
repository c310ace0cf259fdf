// What a SASL exchange (proto/sasl) needs to know, asked of the provider of logins: the same for every protocol.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "auth/provider.hpp"
#include "proto/sasl/exchange.hpp"

namespace posthorn::auth {

// What a listener can offer of what the provider serves, strongest first.
std::vector<sasl::Mechanism> mechanisms_of(const Mechanisms& served);

struct SaslAnswer {
    sasl::LoginVerdict verdict = sasl::LoginVerdict::unavailable;
    std::optional<sasl::ScramSecret> secret;  // the exchange goes on with it, there is no verdict yet
    Account account;                          // with the verdict ok
};

// Of one session; on its loop. It outlives the Task.
class SaslLookup {
public:
    // `need`: a step that asks for something. `names`: of the client's certificate.
    net::Task<SaslAnswer> ask(Provider& provider, net::Loop& loop, sasl::Step need, Client client,
                              std::vector<std::string> names = {});

private:
    std::shared_ptr<Provider::ScramAttempt> attempt_;  // between the secret and the verdict
};

}  // namespace posthorn::auth
