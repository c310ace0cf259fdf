#include "net/impl/tls_context.hpp"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "net/impl/tls_session.hpp"

namespace posthorn::net {
namespace {

using impl::ContextPtr;
using impl::openssl_error;

// For TLS 1.2; those of 1.3 are all good. Forward secrecy first, AEAD before CBC.
constexpr const char* kCiphers =
    "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:DHE+CHACHA20:ECDHE+AES:DHE+AES:AESGCM:AES:"
    "!aNULL:!eNULL:!PSK:!SRP:!CAMELLIA:!ARIA:!DSS";

std::unexpected<base::Error> broken(const std::string& what) {
    return base::fail(base::ErrorKind::permanent, what + ": " + openssl_error());
}

bool set_up(SSL_CTX* context) {
    SSL_CTX_set_mode(
        context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    // Mail protocols have their own ends: a peer that leaves without close_notify is at worst an eof too soon.
    SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
    return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
           SSL_CTX_set_cipher_list(context, kCiphers) == 1;
}

// Nobody is there to be asked: by itself OpenSSL asks at the terminal, and the server stands still until it is answered.
int no_pass_phrase(char*, int, int, void* asked) {
    *static_cast<bool*>(asked) = true;
    return -1;
}

base::Result<void> use_key(SSL_CTX* context, const std::string& path) {
    bool encrypted = false;
    SSL_CTX_set_default_passwd_cb(context, no_pass_phrase);
    SSL_CTX_set_default_passwd_cb_userdata(context, &encrypted);
    const bool done = SSL_CTX_use_PrivateKey_file(context, path.c_str(), SSL_FILETYPE_PEM) == 1;
    SSL_CTX_set_default_passwd_cb(context, nullptr);
    SSL_CTX_set_default_passwd_cb_userdata(context, nullptr);
    if (done) return {};
    if (!encrypted) return broken(path);
    ERR_clear_error();
    return base::fail(base::ErrorKind::permanent,
                      path + ": the key is encrypted: one without a pass phrase is wanted");
}

// OpenSSL's own text for a file it cannot open says neither which nor why.
std::optional<base::Error> unreadable(const std::string& path) {
    if (::access(path.c_str(), R_OK) == 0) return std::nullopt;
    auto error = base::from_errno(path, errno);
    error.kind = base::ErrorKind::permanent;
    return error;
}

}  // namespace

base::Result<std::shared_ptr<const TlsServerContext>> make_tls_server(TlsServerConfig config) {
    ERR_clear_error();
    for (const auto& path : {config.certificate, config.key}) {
        if (auto error = unreadable(path)) return std::unexpected(std::move(*error));
    }
    ContextPtr context(SSL_CTX_new(TLS_server_method()));
    if (!context || !set_up(context.get())) return broken("TLS");
    SSL_CTX_set_options(context.get(), SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_dh_auto(context.get(), 1);
    // Sessions resume by ticket alone: nothing is kept here.
    SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(context.get(), 1);
    if (SSL_CTX_use_certificate_chain_file(context.get(), config.certificate.c_str()) != 1) {
        return broken(config.certificate);
    }
    if (auto used = use_key(context.get(), config.key); !used) return std::unexpected(std::move(used.error()));
    if (SSL_CTX_check_private_key(context.get()) != 1) {
        return broken(config.key + " is not the key of " + config.certificate);
    }
    return std::make_shared<impl::ServerContext>(std::move(context));
}

base::Result<std::shared_ptr<const TlsClientContext>> make_tls_client(TlsVerify verify, std::string ca_file) {
    ERR_clear_error();
    ContextPtr context(SSL_CTX_new(TLS_client_method()));
    if (!context || !set_up(context.get())) return broken("TLS");
    if (verify == TlsVerify::none) {
        // Encryption that a weak key makes is better than what follows when it is refused: plaintext.
        SSL_CTX_set_security_level(context.get(), 1);
        SSL_CTX_set_verify(context.get(), SSL_VERIFY_NONE, nullptr);
        return std::make_shared<impl::ClientContext>(std::move(context), verify);
    }
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
    if (ca_file.empty()) {
        if (SSL_CTX_set_default_verify_paths(context.get()) != 1) return broken("the system's certificates");
    } else {
        if (auto error = unreadable(ca_file)) return std::unexpected(std::move(*error));
        if (SSL_CTX_load_verify_file(context.get(), ca_file.c_str()) != 1) return broken(ca_file);
    }
    return std::make_shared<impl::ClientContext>(std::move(context), verify);
}

}  // namespace posthorn::net
