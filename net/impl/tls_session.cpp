#include "net/impl/tls_session.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include <cerrno>
#include <climits>

#include "base/ascii.hpp"
#include "net/address.hpp"
#include "net/impl/sockaddr.hpp"
#include "net/impl/tls_context.hpp"

namespace posthorn::net::impl {
namespace {

constexpr std::size_t kRecord = 16U << 10U;  // the most plaintext of one TLS record, RFC 8446 §5.1

int descriptor(BIO* bio) { return static_cast<int>(reinterpret_cast<std::intptr_t>(BIO_get_data(bio))); }

bool must_wait(int error) { return error == EAGAIN || error == EWOULDBLOCK || error == EINTR; }

int bio_read(BIO* bio, char* into, int size) {
    BIO_clear_retry_flags(bio);
    const auto got = ::recv(descriptor(bio), into, static_cast<std::size_t>(size), 0);
    if (got == 0) BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
    if (got < 0 && must_wait(errno)) BIO_set_retry_read(bio);
    return static_cast<int>(got);
}

// Why not OpenSSL's own socket BIO: a write of its own raises SIGPIPE.
int bio_write(BIO* bio, const char* bytes, int size) {
    BIO_clear_retry_flags(bio);
    const auto sent = ::send(descriptor(bio), bytes, static_cast<std::size_t>(size), MSG_NOSIGNAL);
    if (sent < 0 && must_wait(errno)) BIO_set_retry_write(bio);
    return static_cast<int>(sent);
}

long bio_control(BIO* bio, int command, long, void*) {
    if (command == BIO_CTRL_FLUSH) return 1;
    if (command == BIO_CTRL_EOF) return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0 ? 1 : 0;
    return 0;
}

BIO_METHOD* make_method() {
    BIO_METHOD* method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "posthorn socket");
    BIO_meth_set_read(method, bio_read);
    BIO_meth_set_write(method, bio_write);
    BIO_meth_set_ctrl(method, bio_control);
    BIO_meth_set_create(method, [](BIO* bio) {
        BIO_set_init(bio, 1);
        return 1;
    });
    return method;
}

SSL* make_ssl(SSL_CTX* context, int fd) {
    static BIO_METHOD* const method = make_method();  // a constant table of functions
    SSL* ssl = SSL_new(context);
    BIO* bio = ssl == nullptr ? nullptr : BIO_new(method);
    if (bio == nullptr) {
        SSL_free(ssl);
        return nullptr;
    }
    BIO_set_data(bio, reinterpret_cast<void*>(static_cast<std::intptr_t>(fd)));
    SSL_set_bio(ssl, bio, bio);  // takes it
    return ssl;
}

std::unexpected<base::Error> no_session() {
    return base::fail(base::ErrorKind::temporary, "TLS: " + openssl_error(), "4.7.0", "TLS not available");
}

std::string subject_of(X509* certificate) {
    char text[256];
    X509_NAME_oneline(X509_get_subject_name(certificate), text, sizeof text);
    return text;
}

// RFC 9266 §2: TLS 1.2 only with the extended master secret, without which two sessions can have the same keys.
std::string channel_binding(SSL* ssl) {
    constexpr std::string_view label = "EXPORTER-Channel-Binding";
    constexpr std::size_t size = 32;
    if (SSL_version(ssl) < TLS1_3_VERSION && SSL_get_extms_support(ssl) != 1) return {};
    unsigned char out[size];
    if (SSL_export_keying_material(ssl, out, size, label.data(), label.size(), nullptr, 0, 1) != 1) {
        ERR_clear_error();
        return {};
    }
    return {reinterpret_cast<const char*>(out), size};
}

}  // namespace

std::string openssl_error() {
    const auto code = ERR_get_error();
    ERR_clear_error();
    if (code == 0) return "no reason given";
    const char* reason = ERR_reason_error_string(code);
    if (reason != nullptr) return reason;
    char text[256];
    ERR_error_string_n(code, text, sizeof text);
    return text;
}

base::Result<std::unique_ptr<TlsSession>> TlsSession::server(const TlsServerContext& context, int fd) {
    SSL* ssl = make_ssl(static_cast<const ServerContext&>(context).get(), fd);
    if (ssl == nullptr) return no_session();
    SSL_set_accept_state(ssl);
    return std::unique_ptr<TlsSession>(new TlsSession(ssl));
}

base::Result<std::unique_ptr<TlsSession>> TlsSession::client(const TlsClientContext& context, int fd,
                                                             const std::string& server_name) {
    const auto& own = static_cast<const ClientContext&>(context);
    SSL* ssl = make_ssl(own.get(), fd);
    if (ssl == nullptr) return no_session();
    std::unique_ptr<TlsSession> session(new TlsSession(ssl));
    session->checks_peer_ = own.verify() != TlsVerify::none;
    SSL_set_connect_state(ssl);
    std::string name = server_name;
    if (name.ends_with('.')) name.pop_back();
    const bool is_ip = IpAddress::parse(name).has_value();
    bool done = true;
    // RFC 6066 §3: SNI holds a host name, never an address.
    if (!is_ip && !name.empty()) done = SSL_set_tlsext_host_name(ssl, name.c_str()) == 1;
    if (session->checks_peer_) {
        if (name.empty()) {
            return base::fail(base::ErrorKind::internal, "TLS: a certificate is to be verified without a name");
        }
        SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        done = done && (is_ip ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name.c_str()) == 1
                              : SSL_set1_host(ssl, name.c_str()) == 1);
    }
    if (!done) return no_session();
    return session;
}

TlsSession::Next TlsSession::next_after(int result, std::string_view what) {
    const int cause = errno;
    switch (SSL_get_error(ssl_.get(), result)) {
        case SSL_ERROR_WANT_READ: return Next::readable;
        case SSL_ERROR_WANT_WRITE: return Next::writable;
        case SSL_ERROR_ZERO_RETURN: return Next::eof;
        case SSL_ERROR_SYSCALL: error_ = std::string(what) + ": " + errno_text(cause); break;
        default: error_ = std::string(what) + ": " + openssl_error();
    }
    ERR_clear_error();
    return Next::failed;
}

TlsSession::Next TlsSession::handshake() {
    ERR_clear_error();
    errno = 0;
    const int result = SSL_do_handshake(ssl_.get());
    if (result == 1) return Next::done;
    const auto next = next_after(result, "handshake");
    if (next == Next::eof || (next == Next::failed && errno == 0 && error_.ends_with(errno_text(0)))) {
        error_ = "handshake: the peer closed the connection";
        return Next::failed;
    }
    if (next == Next::failed) {
        const auto verified = SSL_get_verify_result(ssl_.get());
        if (checks_peer_ && verified != X509_V_OK) {
            error_ += std::string(" (") + X509_verify_cert_error_string(verified) + ")";
        }
    }
    return next;
}

TlsSession::Io TlsSession::read(std::span<char> into) {
    ERR_clear_error();
    errno = 0;
    const auto size = static_cast<int>(std::min<std::size_t>(into.size(), INT_MAX));
    const int got = SSL_read(ssl_.get(), into.data(), size);
    if (got > 0) return {Next::done, static_cast<std::size_t>(got)};
    return {next_after(got, "read"), 0};
}

TlsSession::Io TlsSession::write(std::string_view bytes) {
    ERR_clear_error();
    errno = 0;
    const auto size = static_cast<int>(std::min(bytes.size(), kRecord));
    const int sent = SSL_write(ssl_.get(), bytes.data(), size);
    if (sent > 0) return {Next::done, static_cast<std::size_t>(sent)};
    return {next_after(sent, "write"), 0};
}

TlsSession::Next TlsSession::close_notify() {
    ERR_clear_error();
    errno = 0;
    const int result = SSL_shutdown(ssl_.get());
    // 0: ours is sent, the peer's has not come; nobody needs it, FIN follows.
    if (result >= 0) return Next::done;
    return next_after(result, "shutdown");
}

bool TlsSession::readable() {
    ERR_clear_error();
    errno = 0;
    char byte = 0;
    const int got = SSL_peek(ssl_.get(), &byte, 1);  // takes in session tickets on the way
    if (got > 0) return true;
    const auto next = next_after(got, "peek");
    return next != Next::readable && next != Next::writable;
}

TlsInfo TlsSession::info() const {
    TlsInfo info;
    info.version = SSL_get_version(ssl_.get());
    info.cipher = SSL_get_cipher_name(ssl_.get());
    info.bits = SSL_get_cipher_bits(ssl_.get(), nullptr);
    if (const char* name = SSL_get_servername(ssl_.get(), TLSEXT_NAMETYPE_host_name)) info.sni = name;
    if (SSL_is_server(ssl_.get()) == 1) info.exporter = channel_binding(ssl_.get());
    if (X509* peer = SSL_get0_peer_certificate(ssl_.get())) info.peer_subject = subject_of(peer);
    const auto verified = SSL_get_verify_result(ssl_.get());
    info.peer_verified = checks_peer_ && verified == X509_V_OK && !info.peer_subject.empty();
    if (checks_peer_ && verified != X509_V_OK) info.verify_error = X509_verify_cert_error_string(verified);
    return info;
}

}  // namespace posthorn::net::impl
