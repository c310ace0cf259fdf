// A byte stream to a peer: TCP, Unix socket, TLS over either, or a fake in a test. Lives on one loop.
// Every operation has a deadline; at expiry the socket is closed and the operation reports `timed_out`:
// an interrupted stream is never used again. One read and one write may be under way at a time.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "net/address.hpp"
#include "net/task.hpp"

namespace posthorn::net {

class Cancel;  // net/cancel.hpp
class Loop;
class TlsServerContext;  // net/tls.hpp
class TlsClientContext;

enum class IoStatus : std::uint8_t { ok, eof, timed_out, closed, error };

struct IoResult {
    IoStatus status = IoStatus::ok;
    std::size_t size = 0;  // bytes moved
    std::string text;      // for the operator, when status is error
    bool ok() const { return status == IoStatus::ok; }
};

struct TlsInfo {
    std::string version;  // "TLSv1.3"
    std::string cipher;   // "TLS_AES_256_GCM_SHA384"
    int bits = 0;
    std::string sni;             // server side: the name asked for
    std::string exporter;        // server side: 32 octets to bind logins to (RFC 9266); empty: none can be had
    std::string peer_subject;    // certificate of the peer, if any
    bool peer_verified = false;  // chain and (client side) name
    std::string verify_error;    // why not
};

class Stream {
public:
    virtual ~Stream() = default;

    // Reads at least one byte; eof when the peer closed its side.
    virtual Task<IoResult> read_some(std::span<char> into, base::SteadyTime deadline) = 0;
    // Writes all of it. The bytes must live until it returns.
    virtual Task<IoResult> write(std::string_view bytes, base::SteadyTime deadline) = 0;
    virtual Task<IoResult> write(std::vector<std::string_view> pieces, base::SteadyTime deadline) = 0;

    // Upgrades in place. What the peer sent before its ClientHello and is still unread in the CALLER's buffer is
    // the caller's to drop (RFC 3207 §4.2).
    virtual Task<base::Result<TlsInfo>> start_tls(std::shared_ptr<const TlsServerContext> context,
                                                  base::SteadyTime deadline) = 0;
    // `server_name` goes into SNI and, where the context verifies, is checked against the certificate.
    virtual Task<base::Result<TlsInfo>> start_tls(std::shared_ptr<const TlsClientContext> context,
                                                  std::string server_name, base::SteadyTime deadline) = 0;

    // Sends close_notify and FIN within the deadline, then closes. For orderly ends.
    virtual Task<> shutdown(base::SteadyTime deadline) = 0;
    // At once; operations under way end with `closed`. Own thread only. Idempotent.
    virtual void close() = 0;

    // True when bytes wait or the peer has closed: an idle pooled connection that is readable is not reusable.
    virtual bool readable_now() = 0;

    virtual const Endpoint& peer() const = 0;
    virtual const Endpoint& local() const = 0;
    virtual const TlsInfo* tls() const = 0;  // null: plaintext
    virtual Loop& loop() = 0;
};

// Opens outgoing connections; a port, so that delivery runs against simulated peers.
class Connector {
public:
    virtual ~Connector() = default;
    // On `loop`, own thread. Temporary error with errno text when it fails or the deadline passes, and when `cancel`
    // (null: nobody does) is requested before it stands.
    virtual Task<base::Result<std::unique_ptr<Stream>>> connect(Loop& loop, Endpoint to, base::SteadyTime deadline,
                                                                std::shared_ptr<Cancel> cancel) = 0;
    Task<base::Result<std::unique_ptr<Stream>>> connect(Loop& loop, Endpoint to, base::SteadyTime deadline) {
        return connect(loop, std::move(to), deadline, nullptr);
    }
};

std::unique_ptr<Connector> make_connector();

}  // namespace posthorn::net
