// `store.import` and `store.export`: an account's mail from and to the files of others, which mailctl reads and writes as
// who calls it. On the wire, either way, a list of items: a map begins a message, octets follow it.
#pragma once

#include "base/clock.hpp"
#include "control/handlers.hpp"
#include "store/store.hpp"

namespace posthorn::control {

// Outlives the handlers.
LongHandlers make_mail_import_handlers(store::Store& store);
Handlers make_mail_export_handlers(store::Store& store);

}  // namespace posthorn::control
