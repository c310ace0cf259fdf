#pragma once

#include <openssl/ssl.h>

#include <memory>

#include "net/tls.hpp"

namespace posthorn::net::impl {

struct FreeContext {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
using ContextPtr = std::unique_ptr<SSL_CTX, FreeContext>;

// The only TlsServerContext there is; OpenSSL counts references and locks by itself.
class ServerContext final : public TlsServerContext {
public:
    explicit ServerContext(ContextPtr context) : context_(std::move(context)) {}
    SSL_CTX* get() const { return context_.get(); }

private:
    ContextPtr context_;
};

class ClientContext final : public TlsClientContext {
public:
    ClientContext(ContextPtr context, TlsVerify verify) : context_(std::move(context)), verify_(verify) {}
    SSL_CTX* get() const { return context_.get(); }
    TlsVerify verify() const { return verify_; }

private:
    ContextPtr context_;
    TlsVerify verify_;
};

}  // namespace posthorn::net::impl
