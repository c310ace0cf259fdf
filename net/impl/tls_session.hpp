// One TLS session over a non-blocking socket: OpenSSL reads and writes the descriptor itself, says when it must
// wait for it, and gives its buffers back while idle.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "net/stream.hpp"
#include "net/tls.hpp"

namespace posthorn::net::impl {

class TlsSession {
public:
    // Done, or what to wait for before the same call is made again, or the end.
    enum class Next : std::uint8_t { done, readable, writable, eof, failed };
    struct Io {
        Next next = Next::done;
        std::size_t size = 0;
    };

    // The descriptor must outlive the session.
    static base::Result<std::unique_ptr<TlsSession>> server(const TlsServerContext& context, int fd);
    static base::Result<std::unique_ptr<TlsSession>> client(const TlsClientContext& context, int fd,
                                                            const std::string& server_name);

    Next handshake();
    Io read(std::span<char> into);
    Io write(std::string_view bytes);  // at most one record (16 KiB) at a time
    Next close_notify();
    bool readable();  // plaintext waits, or the end does

    TlsInfo info() const;
    const std::string& error() const { return error_; }  // after failed: OpenSSL's reason

private:
    explicit TlsSession(SSL* ssl) : ssl_(ssl) {}
    Next next_after(int result, std::string_view what);

    struct Free {
        void operator()(SSL* ssl) const { SSL_free(ssl); }
    };
    std::unique_ptr<SSL, Free> ssl_;
    std::string error_;
    bool checks_peer_ = false;
};

// The text of the oldest error of this thread's OpenSSL queue, which is emptied.
std::string openssl_error();

}  // namespace posthorn::net::impl
