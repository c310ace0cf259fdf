#include "health/readiness.hpp"

#include "base/json.hpp"

namespace posthorn::health {

std::string to_json(const Readiness& readiness) {
    base::JsonWriter json;
    json.object().field("alive", true).field("ready", readiness.ready());
    json.field("smtp_ready", readiness.smtp).field("spool_ready", readiness.spool);
    json.field("delivery_ready", readiness.delivery).field("dns_ready", readiness.dns);
    json.field("queue_size", readiness.queue_size).field("max_queue_size", readiness.max_queue_size);
    json.key("reasons").array();
    for (const auto& reason : readiness.reasons) json.value(reason);
    json.end().end();
    return json.take() + "\n";
}

}  // namespace posthorn::health
