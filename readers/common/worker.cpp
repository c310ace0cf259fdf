#include "readers/common/worker.hpp"

namespace posthorn::readers {

Counters::Counters(base::Metrics& metrics, const std::string& name, const std::string& title)
    : sessions(metrics.counter("posthorn_" + name + "_sessions_total", title + " sessions that began.")),
      turned_away(metrics.counter("posthorn_" + name + "_connections_turned_away_total",
                                  title + " connections refused because there were too many.")),
      tls_handshakes(metrics.counter("posthorn_" + name + "_tls_handshakes_total",
                                     "TLS handshakes of " + title + " clients.", {{"status", "ok"}})),
      tls_failures(metrics.counter("posthorn_" + name + "_tls_handshakes_total",
                                   "TLS handshakes of " + title + " clients.", {{"status", "failed"}})) {}

}  // namespace posthorn::readers
