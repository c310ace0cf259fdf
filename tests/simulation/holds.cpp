// What operators have frozen or cancelled: nothing new is tried of it.
#include "tests/simulation/ledger.hpp"

namespace posthorn::simulation {

bool Ledger::covered(const Account& account, const Fate& fate) const {
    return holds_.contains("*") || holds_.contains(account.id.to_string()) ||
           holds_.contains("cancel " + account.id.to_string()) ||
           holds_.contains(fate.address.substr(fate.address.find('@') + 1));
}

void Ledger::look_at_holds() {
    for (auto& [id, account] : accounts_) {
        for (Fate& fate : account.fates) {
            if (!covered(account, fate))
                fate.since_held = -1;
            else if (fate.since_held < 0)
                fate.since_held = 0;
        }
    }
}

void Ledger::held(const std::string& key) {
    if (holds_.insert(key).second) look_at_holds();
}

void Ledger::released(const std::string& key) {
    if (holds_.erase(key) > 0) look_at_holds();
}

}  // namespace posthorn::simulation
