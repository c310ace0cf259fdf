// The commands about who is local: domains, accounts and aliases of the embedded directory.
#pragma once

#include "auth/editor.hpp"
#include "control/handlers.hpp"

namespace posthorn::control {

// The editor outlives the handlers.
Handlers make_account_handlers(auth::Editor& editor);

}  // namespace posthorn::control
