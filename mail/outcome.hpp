// What became of one recipient in one attempt, and what stands about it between attempts. Pure values.
#pragma once

#include <cstdint>
#include <string>

#include "base/clock.hpp"

namespace posthorn::mail {

enum class RecipientStatus : std::uint8_t {
    pending,     // not final; will be tried at next_try
    delivered,   // final: a server (or the store) took responsibility
    failed,      // final: refused for good; a failure DSN is owed where the sender wants one
    expired,     // final: max_attempts or max_age reached; a failure DSN is owed likewise
    cancelled,   // final: an operator removed it; no DSN unless asked
    redirected,  // final here: goes on as another message
};

inline bool is_final(RecipientStatus s) { return s != RecipientStatus::pending; }

// The reply or local reason that decided an attempt.
struct Outcome {
    enum class Kind : std::uint8_t { delivered, temporary, permanent } kind = Kind::temporary;
    int code = 0;             // SMTP reply code; 0: decided here (DNS, connect, policy)
    std::string status;       // enhanced status code, never empty: from the reply, else the closest of RFC 3463
    std::string text;         // the remote's text, or ours; one line; printable
    std::string remote_host;  // MX name that answered, or was tried last
    std::string remote_ip;
    std::string tls;  // "TLSv1.3 TLS_AES_256_GCM_SHA384", empty: plaintext
    base::WallTime at{};
    bool operator==(const Outcome&) const = default;
};

// Per-recipient state as the queue keeps and the spool persists it (a STATE record is one of these).
struct RecipientState {
    RecipientStatus status = RecipientStatus::pending;
    std::uint32_t attempts = 0;
    base::WallTime next_try{};  // pending only; zero: at once
    Outcome last;               // of the last attempt; meaningless while attempts == 0
    bool delay_warned = false;  // the delay DSN went out
    bool dsn_done = false;      // final and its DSN (if owed) is durable
    bool operator==(const RecipientState&) const = default;
};

}  // namespace posthorn::mail
