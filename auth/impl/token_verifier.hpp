// Whose a bearer token is: asked of whoever issued it. Answers are Error (temporary: the issuer cannot be asked), no
// name (the token is not good: forged, expired, for somebody else), or the user's address as the issuer says it.
#pragma once

#include <optional>
#include <string>

#include "base/result.hpp"
#include "net/loop.hpp"
#include "net/task.hpp"

namespace posthorn::auth::impl {

class TokenVerifier {
public:
    virtual ~TokenVerifier() = default;
    virtual net::Task<base::Result<std::optional<std::string>>> verify(net::Loop& loop, std::string bearer) = 0;
};

}  // namespace posthorn::auth::impl
