#include "tests/support/memory_stream.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace posthorn::testing {

using net::IoResult;
using net::IoStatus;

namespace {

// Bytes on their way to one end.
struct Way {
    explicit Way(net::Loop& loop) : changed(loop) {}

    std::size_t readable() const {
        if (!faults.stall_after) return bytes.size();
        const auto taken = sent - bytes.size();
        return std::min(bytes.size(), *faults.stall_after - std::min(*faults.stall_after, taken));
    }

    std::string bytes;
    std::size_t sent = 0;
    bool ended = false;  // the sender has closed its side
    Faults faults;
    net::Event changed;
};

}  // namespace

struct MemoryStream::Wire {
    Wire(net::Loop& on, net::Endpoint client, net::Endpoint server, std::size_t limit)
        : loop(on), to{Way(on), Way(on)}, capacity(limit), address{std::move(client), std::move(server)} {}

    void changed() {
        for (auto& way : to) way.changed.notify_all();
    }

    net::Loop& loop;
    std::array<Way, 2> to;  // to[end]: what `end` reads
    std::size_t capacity;
    std::array<net::Endpoint, 2> address;
    std::array<bool, 2> closed{};
    std::array<bool, 2> tls_wanted{};
    std::array<std::string, 2> server_name;
    std::array<std::optional<net::TlsInfo>, 2> tls;
    std::array<net::TlsInfo, 2> next_tls;
    bool broken = false;
};

namespace {

using Wire = MemoryStream::Wire;

void close_end(Wire& wire, int end) {
    if (wire.closed[static_cast<std::size_t>(end)]) return;
    wire.closed[static_cast<std::size_t>(end)] = true;
    wire.to[static_cast<std::size_t>(1 - end)].ended = true;
    wire.changed();
}

IoResult reset() { return {IoStatus::error, 0, "Connection reset by peer"}; }

net::Task<IoResult> read_from(std::shared_ptr<Wire> wire, int end, std::span<char> into,
                              base::SteadyTime deadline) {
    auto& way = wire->to[static_cast<std::size_t>(end)];
    while (true) {
        if (wire->closed[static_cast<std::size_t>(end)]) co_return IoResult{IoStatus::closed};
        if (const auto ready = way.readable(); ready > 0) {
            const auto size = std::min({ready, into.size(), way.faults.read_at_most});
            std::memcpy(into.data(), way.bytes.data(), size);
            way.bytes.erase(0, size);
            way.changed.notify_all();
            co_return IoResult{IoStatus::ok, size};
        }
        if (wire->broken) co_return reset();
        if (way.ended && !way.faults.stall_after) co_return IoResult{IoStatus::eof};
        const bool in_time = co_await way.changed.wait(deadline);
        if (!in_time) {
            close_end(*wire, end);
            co_return IoResult{IoStatus::timed_out};
        }
    }
}

net::Task<IoResult> write_to(std::shared_ptr<Wire> wire, int end, std::string_view bytes,
                             base::SteadyTime deadline) {
    auto& way = wire->to[static_cast<std::size_t>(1 - end)];
    std::size_t written = 0;
    while (written < bytes.size()) {
        if (wire->closed[static_cast<std::size_t>(end)]) co_return IoResult{IoStatus::closed, written};
        if (wire->broken) co_return reset();
        if (wire->closed[static_cast<std::size_t>(1 - end)]) {
            co_return IoResult{IoStatus::error, written, "Broken pipe"};
        }
        auto room = std::min(wire->capacity - std::min(wire->capacity, way.bytes.size()), bytes.size() - written);
        const bool cut = way.faults.cut_after && way.sent + room >= *way.faults.cut_after;
        if (cut) room = *way.faults.cut_after - std::min(*way.faults.cut_after, way.sent);
        if (room > 0) {
            way.bytes.append(bytes.substr(written, room));
            way.sent += room;
            written += room;
            wire->changed();
        }
        if (cut) {
            wire->broken = true;
            wire->changed();
            co_return written == bytes.size() ? IoResult{IoStatus::ok, written} : reset();
        }
        if (room > 0) continue;
        const bool in_time = co_await way.changed.wait(deadline);
        if (!in_time) {
            close_end(*wire, end);
            co_return IoResult{IoStatus::timed_out, written};
        }
    }
    co_return IoResult{IoStatus::ok, written};
}

net::Task<IoResult> write_joined(std::shared_ptr<Wire> wire, int end, std::vector<std::string_view> pieces,
                                 base::SteadyTime deadline) {
    std::string bytes;
    for (const auto piece : pieces) bytes += piece;
    auto result = co_await write_to(std::move(wire), end, bytes, deadline);
    co_return result;
}

base::Result<net::TlsInfo> tls_failure(Wire& wire, int end, std::string text) {
    close_end(wire, end);
    return base::fail(base::ErrorKind::temporary, "TLS: " + std::move(text), "4.7.0");
}

net::Task<base::Result<net::TlsInfo>> handshake(std::shared_ptr<Wire> wire, int end, base::SteadyTime deadline) {
    const auto me = static_cast<std::size_t>(end);
    auto& way = wire->to[me];
    if (!way.faults.fail_tls.empty()) co_return tls_failure(*wire, end, way.faults.fail_tls);
    if (!way.bytes.empty()) co_return tls_failure(*wire, end, "wrong version number");
    wire->tls_wanted[me] = true;
    wire->changed();
    while (!wire->tls_wanted[1 - me]) {
        if (wire->closed[me]) co_return tls_failure(*wire, end, "closed");
        if (wire->broken || way.ended) co_return tls_failure(*wire, end, "unexpected eof while reading");
        const bool in_time = co_await way.changed.wait(deadline);
        if (!in_time) co_return tls_failure(*wire, end, "timed out");
    }
    wire->tls[me] = wire->next_tls[me];
    if (end == 1) wire->tls[me]->sni = wire->server_name[0];
    co_return *wire->tls[me];
}

net::Task<> shut(std::shared_ptr<Wire> wire, int end) {
    close_end(*wire, end);
    co_return;
}

}  // namespace

MemoryStream::MemoryStream(std::shared_ptr<Wire> wire, int end) : wire_(std::move(wire)), end_(end) {}

net::Task<IoResult> MemoryStream::read_some(std::span<char> into, base::SteadyTime deadline) {
    return read_from(wire_, end_, into, deadline);
}

net::Task<IoResult> MemoryStream::write(std::string_view bytes, base::SteadyTime deadline) {
    return write_to(wire_, end_, bytes, deadline);
}

net::Task<IoResult> MemoryStream::write(std::vector<std::string_view> pieces, base::SteadyTime deadline) {
    return write_joined(wire_, end_, std::move(pieces), deadline);
}

net::Task<base::Result<net::TlsInfo>> MemoryStream::start_tls(std::shared_ptr<const net::TlsServerContext>,
                                                              base::SteadyTime deadline) {
    return handshake(wire_, end_, deadline);
}

net::Task<base::Result<net::TlsInfo>> MemoryStream::start_tls(std::shared_ptr<const net::TlsClientContext>,
                                                              std::string server_name, base::SteadyTime deadline) {
    wire_->server_name[static_cast<std::size_t>(end_)] = std::move(server_name);
    return handshake(wire_, end_, deadline);
}

net::Task<> MemoryStream::shutdown(base::SteadyTime) { return shut(wire_, end_); }

void MemoryStream::close() { close_end(*wire_, end_); }

bool MemoryStream::readable_now() {
    const auto& way = wire_->to[static_cast<std::size_t>(end_)];
    return way.readable() > 0 || way.ended || wire_->broken;
}

const net::Endpoint& MemoryStream::peer() const { return wire_->address[static_cast<std::size_t>(1 - end_)]; }
const net::Endpoint& MemoryStream::local() const { return wire_->address[static_cast<std::size_t>(end_)]; }

const net::TlsInfo* MemoryStream::tls() const {
    const auto& tls = wire_->tls[static_cast<std::size_t>(end_)];
    return tls ? &*tls : nullptr;
}

net::Loop& MemoryStream::loop() { return wire_->loop; }
Faults& MemoryStream::faults() { return wire_->to[static_cast<std::size_t>(end_)].faults; }
Faults& MemoryStream::faults_of_other_end() { return wire_->to[static_cast<std::size_t>(1 - end_)].faults; }

void MemoryStream::set_tls_info(net::TlsInfo info) {
    wire_->next_tls[static_cast<std::size_t>(end_)] = std::move(info);
}

void MemoryStream::cut() {
    wire_->broken = true;
    wire_->changed();
}

StreamPair make_stream_pair(net::Loop& loop, net::Endpoint client, net::Endpoint server, std::size_t capacity) {
    auto wire = std::make_shared<Wire>(loop, std::move(client), std::move(server), capacity);
    for (auto& info : wire->next_tls) {
        info.version = "TLSv1.3";
        info.cipher = "TLS_AES_256_GCM_SHA384";
        info.bits = 256;
    }
    return {std::make_unique<MemoryStream>(wire, 0), std::make_unique<MemoryStream>(wire, 1)};
}

}  // namespace posthorn::testing
