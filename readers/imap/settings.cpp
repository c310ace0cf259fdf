#include "readers/imap/worker.hpp"

#include "readers/imap/capabilities.hpp"

namespace posthorn::imap {

ServerOptions Protocol::options(const ImapConfig& limits) {
    ServerOptions options;
    options.rev2 = true;
    options.compress = true;
    options.capabilities = std::string(kCapabilities) + " APPENDLIMIT=" + std::to_string(limits.append_limit);
    options.can_enable.assign(kEnabled.begin(), kEnabled.end());
    options.append_limit = limits.append_limit;
    return options;
}

}  // namespace posthorn::imap
