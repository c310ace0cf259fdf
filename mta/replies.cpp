#include "mta/replies.hpp"

namespace posthorn::mta {

smtp::ServerReply reply_of(const base::Error& error) {
    if (error.kind == base::ErrorKind::permanent) {
        return {554, error.status.starts_with('5') ? error.status : "5.3.0",
                error.peer_text.empty() ? "Message cannot be taken" : error.peer_text};
    }
    const auto status = error.status.starts_with('4') ? error.status : "4.3.0";
    const auto text = error.peer_text.empty() ? "Local trouble, try again later" : error.peer_text;
    const int code = status == "4.3.1" ? 452 : status == "4.3.2" ? 421 : 451;
    return {code, status, text};
}

}  // namespace posthorn::mta
