// Two ends of a connection in memory, for sessions under a simulated loop. It behaves as a socket does (bounded
// buffers, half-close, deadlines that close) and misbehaves on demand.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "net/loop.hpp"
#include "net/stream.hpp"

namespace posthorn::testing {

// How bytes fare on their way to one end. Counts are of all bytes ever sent that way.
struct Faults {
    std::optional<std::size_t> cut_after;    // then the connection breaks, for both ends
    std::optional<std::size_t> stall_after;  // then nothing more arrives; the sender does not see it
    std::size_t read_at_most = SIZE_MAX;     // per read: 1 tears every line apart
    std::string fail_tls;                    // not empty: start_tls() at this end fails with this text
};

class MemoryStream final : public net::Stream {
public:
    struct Wire;  // what both ends share
    MemoryStream(std::shared_ptr<Wire> wire, int end);
    ~MemoryStream() override { close(); }

    net::Task<net::IoResult> read_some(std::span<char> into, base::SteadyTime deadline) override;
    net::Task<net::IoResult> write(std::string_view bytes, base::SteadyTime deadline) override;
    net::Task<net::IoResult> write(std::vector<std::string_view> pieces, base::SteadyTime deadline) override;
    // Succeeds when the other end starts TLS too, and nothing in the clear was left unread.
    net::Task<base::Result<net::TlsInfo>> start_tls(std::shared_ptr<const net::TlsServerContext> context,
                                                    base::SteadyTime deadline) override;
    net::Task<base::Result<net::TlsInfo>> start_tls(std::shared_ptr<const net::TlsClientContext> context,
                                                    std::string server_name, base::SteadyTime deadline) override;
    net::Task<> shutdown(base::SteadyTime deadline) override;
    void close() override;
    bool readable_now() override;
    const net::Endpoint& peer() const override;
    const net::Endpoint& local() const override;
    const net::TlsInfo* tls() const override;
    net::Loop& loop() override;

    // Of what arrives at this end.
    Faults& faults();
    Faults& faults_of_other_end();
    // What the next start_tls() of this end reports.
    void set_tls_info(net::TlsInfo info);
    // Breaks the connection for both ends, as a reset does.
    void cut();

private:
    std::shared_ptr<Wire> wire_;
    int end_;
};

struct StreamPair {
    std::unique_ptr<MemoryStream> client;
    std::unique_ptr<MemoryStream> server;
};

// Both ends live on `loop`. `capacity`: what a sender may have under way before it waits.
StreamPair make_stream_pair(net::Loop& loop, net::Endpoint client = {}, net::Endpoint server = {},
                            std::size_t capacity = 64U << 10U);

}  // namespace posthorn::testing
