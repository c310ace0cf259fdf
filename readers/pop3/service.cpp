#include "readers/pop3/service.hpp"

template class posthorn::readers::Service<posthorn::pop3::Protocol>;

namespace posthorn::pop3 {

Counters::Counters(base::Metrics& metrics)
    : retrieved(metrics.counter("posthorn_pop3_messages_retrieved_total", "Messages sent whole by POP3.")),
      retrieved_bytes(metrics.counter("posthorn_pop3_retrieved_bytes_total", "Octets of messages sent by POP3.")),
      deleted(metrics.counter("posthorn_pop3_messages_deleted_total", "Messages removed by POP3.")) {}

}  // namespace posthorn::pop3
