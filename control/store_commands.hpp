// The commands about the mailbox store.
#pragma once

#include "base/clock.hpp"
#include "control/handlers.hpp"
#include "store/keeper.hpp"
#include "store/store.hpp"

namespace posthorn::control {

// What came of a check and of a repair, as it is told.
Value check_view(const mail::AccountName& account, const store::CheckReport& report);
Value repair_view(const mail::AccountName& account, const store::RepairReport& report);

// All outlive the handlers.
Handlers make_store_handlers(store::Store& store, store::Keeper& keeper, const base::Clock& clock);

}  // namespace posthorn::control
