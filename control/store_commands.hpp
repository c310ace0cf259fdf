// The commands about the mailbox store.
#pragma once

#include "base/clock.hpp"
#include "control/handlers.hpp"
#include "store/keeper.hpp"
#include "store/store.hpp"

namespace posthorn::control {

// All outlive the handlers.
Handlers make_store_handlers(store::Store& store, store::Keeper& keeper, const base::Clock& clock);

}  // namespace posthorn::control
