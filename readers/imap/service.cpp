#include "readers/imap/service.hpp"

template class posthorn::readers::Service<posthorn::imap::Protocol>;

namespace posthorn::imap {

Counters::Counters(base::Metrics& metrics)
    : commands(metrics.counter("posthorn_imap_commands_total", "IMAP commands that were run.")),
      appended(metrics.counter("posthorn_imap_messages_appended_total", "Messages stored by IMAP clients.")) {}

}  // namespace posthorn::imap
