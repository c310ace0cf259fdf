#include "net/deflate_stream.hpp"

#include <zlib.h>

#include <array>
#include <new>
#include <span>
#include <utility>

#include "net/loop.hpp"

namespace posthorn::net {
namespace {

constexpr int kRaw = -15;  // no header; the largest window, which the peer may use (RFC 4978 §3)
constexpr int kOwnWindow = -13;
constexpr int kOwnMemory = 6;  // zlib's memLevel: with that window 64 KiB
constexpr int kInARow = 8;     // reads answered without one of the stream below

Bytef* bytes_of(const char* text) { return reinterpret_cast<Bytef*>(const_cast<char*>(text)); }

class DeflateStream final : public Stream {
public:
    explicit DeflateStream(std::unique_ptr<Stream> inner) : inner_(std::move(inner)) {
        if (::inflateInit2(&in_, kRaw) != Z_OK) throw std::bad_alloc();
        const int made =
            ::deflateInit2(&out_, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kOwnWindow, kOwnMemory, Z_DEFAULT_STRATEGY);
        if (made == Z_OK) return;
        ::inflateEnd(&in_);
        throw std::bad_alloc();
    }
    ~DeflateStream() override {
        ::inflateEnd(&in_);
        ::deflateEnd(&out_);
    }

    Task<IoResult> read_some(std::span<char> into, base::SteadyTime deadline) override {
        // Little that came may be much that comes out, and none of it waits: others have their turn in between.
        if (++in_a_row_ > kInARow) {
            in_a_row_ = 0;
            co_await yield(loop());
        }
        while (true) {
            // Also without fresh input: zlib may hold octets for which the last caller had no room.
            in_.next_out = bytes_of(into.data());
            in_.avail_out = static_cast<uInt>(into.size());
            const int result = ::inflate(&in_, Z_SYNC_FLUSH);
            const auto size = into.size() - in_.avail_out;
            if (size != 0) co_return IoResult{.size = size};
            if (result == Z_STREAM_END) co_return IoResult{.status = IoStatus::eof};
            if (result != Z_OK && result != Z_BUF_ERROR)
                co_return IoResult{.status = IoStatus::error, .text = "what came is not deflated"};
            const auto got = co_await inner_->read_some(packed_, deadline);
            if (!got.ok()) co_return got;
            in_a_row_ = 0;
            in_.next_in = bytes_of(packed_.data());
            in_.avail_in = static_cast<uInt>(got.size);
        }
    }

    Task<IoResult> write(std::string_view bytes, base::SteadyTime deadline) override {
        return write_all(std::vector<std::string_view>{bytes}, deadline);
    }
    Task<IoResult> write(std::vector<std::string_view> pieces, base::SteadyTime deadline) override {
        return write_all(std::move(pieces), deadline);
    }

    // TLS lies below compression, never above it.
    Task<base::Result<TlsInfo>> start_tls(std::shared_ptr<const TlsServerContext>, base::SteadyTime) override {
        co_return base::fail(base::ErrorKind::internal, "TLS above compression");
    }
    Task<base::Result<TlsInfo>> start_tls(std::shared_ptr<const TlsClientContext>, std::string,
                                          base::SteadyTime) override {
        co_return base::fail(base::ErrorKind::internal, "TLS above compression");
    }
    Task<> shutdown(base::SteadyTime deadline) override { return inner_->shutdown(deadline); }
    void close() override { inner_->close(); }
    bool readable_now() override { return in_.avail_in != 0 || inner_->readable_now(); }
    const Endpoint& peer() const override { return inner_->peer(); }
    const Endpoint& local() const override { return inner_->local(); }
    const TlsInfo* tls() const override { return inner_->tls(); }
    Loop& loop() override { return inner_->loop(); }

private:
    // The last piece is flushed, so that the peer can read all of it.
    Task<IoResult> write_all(std::vector<std::string_view> pieces, base::SteadyTime deadline) {
        IoResult total;
        for (std::size_t i = 0; i < pieces.size(); ++i) {
            const int flush = i + 1 == pieces.size() ? Z_SYNC_FLUSH : Z_NO_FLUSH;
            out_.next_in = bytes_of(pieces[i].data());
            out_.avail_in = static_cast<uInt>(pieces[i].size());
            do {
                out_.next_out = bytes_of(squeezed_.data());
                out_.avail_out = static_cast<uInt>(squeezed_.size());
                ::deflate(&out_, flush);
                const std::string_view ready(squeezed_.data(), squeezed_.size() - out_.avail_out);
                if (ready.empty()) break;
                auto sent = co_await inner_->write(ready, deadline);
                if (!sent.ok()) co_return sent;
            } while (out_.avail_out == 0);
            total.size += pieces[i].size();
        }
        co_return total;
    }

    std::unique_ptr<Stream> inner_;
    int in_a_row_ = 0;
    z_stream in_{};
    z_stream out_{};
    std::array<char, 4096> packed_;    // as it came
    std::array<char, 8192> squeezed_;  // as it goes
};

}  // namespace

std::unique_ptr<Stream> make_deflate_stream(std::unique_ptr<Stream> inner) {
    return std::make_unique<DeflateStream>(std::move(inner));
}

}  // namespace posthorn::net
