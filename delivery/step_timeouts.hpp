// How long a next hop may take for each step: [delivery.timeouts]. RFC 5321 §4.5.3.2 allows minutes.
#pragma once

#include "base/clock.hpp"

namespace posthorn::delivery {

struct StepTimeouts {
    base::Duration connect = std::chrono::seconds(30);  // the connection; again for the greeting
    base::Duration ehlo = std::chrono::seconds(30);
    base::Duration starttls = std::chrono::seconds(30);
    base::Duration mail_from = std::chrono::seconds(30);
    base::Duration rcpt_to = std::chrono::seconds(30);
    base::Duration data = std::chrono::minutes(2);  // DATA's 354; each piece of the body
    // The reply to the final dot. No key: cut short, it makes duplicates (RFC 5321 §4.5.3.2.6).
    base::Duration data_end = std::chrono::minutes(10);
    base::Duration quit = std::chrono::seconds(10);
};

}  // namespace posthorn::delivery
