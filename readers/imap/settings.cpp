#include "readers/imap/worker.hpp"

namespace posthorn::imap {
namespace {

// What the reader does beside the base protocol: each word stands for what works.
constexpr std::string_view kCapabilities =
    "IDLE NAMESPACE CHILDREN UIDPLUS UNSELECT MOVE ESEARCH SEARCHRES PARTIAL WITHIN LIST-EXTENDED LIST-STATUS "
    "STATUS=SIZE SORT SORT=DISPLAY ESORT THREAD=ORDEREDSUBJECT THREAD=REFERENCES I18NLEVEL=1 "
    "SPECIAL-USE CREATE-SPECIAL-USE CONDSTORE QRESYNC UTF8=ACCEPT BINARY PREVIEW OBJECTID MULTIAPPEND QUOTA "
    "QUOTA=RES-STORAGE QUOTA=RES-MESSAGE";

}  // namespace

ServerOptions Protocol::options(const ImapConfig& limits) {
    ServerOptions options;
    options.rev2 = true;
    options.capabilities = std::string(kCapabilities) + " APPENDLIMIT=" + std::to_string(limits.append_limit);
    options.can_enable = {"CONDSTORE", "QRESYNC", "UTF8=ACCEPT"};
    options.append_limit = limits.append_limit;
    return options;
}

}  // namespace posthorn::imap
