// Reading mail by IMAP: the listeners and their sessions.
#pragma once

#include "readers/common/service.hpp"
#include "readers/imap/session.hpp"

namespace posthorn::imap {

using Service = readers::Service<Protocol>;

}  // namespace posthorn::imap

extern template class posthorn::readers::Service<posthorn::imap::Protocol>;
