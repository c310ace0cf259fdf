// The errors of the port (store/store.hpp) in one place.
#pragma once

#include <cerrno>
#include <string>

#include "base/result.hpp"

namespace posthorn::store {

inline std::unexpected<base::Error> refuse(int code, std::string what) {
    const bool quota = code == EDQUOT;
    return std::unexpected(base::Error{base::ErrorKind::permanent, quota ? "5.2.2" : "5.0.0",
                                       quota ? "Mailbox full" : "Not possible", std::move(what), code});
}
inline std::unexpected<base::Error> no_mailbox() { return refuse(ENOENT, "there is no such mailbox"); }
inline std::unexpected<base::Error> no_email() { return refuse(ENOENT, "there is no such email"); }

inline std::unexpected<base::Error> damaged(std::string what) {
    return std::unexpected(
        base::Error{base::ErrorKind::temporary, "4.3.0", "Temporary local problem", std::move(what), EUCLEAN});
}

}  // namespace posthorn::store
