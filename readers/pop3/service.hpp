// Reading mail by POP3: the listeners and their sessions.
#pragma once

#include "readers/common/service.hpp"
#include "readers/pop3/session.hpp"

namespace posthorn::pop3 {

using Service = readers::Service<Protocol>;

}  // namespace posthorn::pop3

extern template class posthorn::readers::Service<posthorn::pop3::Protocol>;
