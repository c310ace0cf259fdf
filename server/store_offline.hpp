// `posthornd --store-check` and `--store-repair`: an account's mailboxes, with the server down. mailctl starts it.
#pragma once

#include "server/config/config.hpp"
#include "server/options.hpp"

namespace posthorn::server {

// Writes what came of it to standard output: {"ok":true,"result":{…}} or {"ok":false,"error":"…"}. The exit status: 0, or 1 when it
// could not be done. Becomes the server's user: what is made anew must be its own.
int run_store_offline(const Config& config, const Options& options);

}  // namespace posthorn::server
