#include "base/result.hpp"

#include <cerrno>
#include <cstring>

namespace posthorn::base {

Error from_errno(std::string_view what, int code) {
    Error error;
    switch (code) {
        case ENOSPC:
        case EDQUOT: error = {ErrorKind::temporary, "4.3.1", "Insufficient system storage", {}, code}; break;
        case EIO:
        case EMFILE:
        case ENFILE:
        case ENOMEM:
        case EAGAIN:
        case EINTR:
        case EROFS: error = {ErrorKind::temporary, "4.3.0", "Temporary local problem", {}, code}; break;
        default: error = {ErrorKind::internal, "4.3.0", "Temporary local problem", {}, code};
    }
    char text[128];
    error.log_text = std::string(what) + ": " + strerror_r(code, text, sizeof text);
    return error;
}

}  // namespace posthorn::base
