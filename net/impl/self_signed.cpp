// A certificate for a server that was given none: good enough for opportunistic TLS, verified by nobody.
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

#include "base/fd.hpp"
#include "net/address.hpp"
#include "net/impl/tls_session.hpp"
#include "net/tls.hpp"

namespace posthorn::net {
namespace {

constexpr long kTenYears = 3650L * 24 * 3600;
constexpr std::size_t kMaxCommonName = 64;  // RFC 5280, ub-common-name

template <auto Free>
struct Deleter {
    template <class T>
    void operator()(T* object) const {
        Free(object);
    }
};
using Key = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Deleter<X509_free>>;
using Bio = std::unique_ptr<BIO, Deleter<BIO_free_all>>;
using Extension = std::unique_ptr<X509_EXTENSION, Deleter<X509_EXTENSION_free>>;

std::unexpected<base::Error> broken(const std::string& what) {
    return base::fail(base::ErrorKind::internal, what + ": " + impl::openssl_error());
}

bool add_extension(X509* certificate, int nid, const std::string& value) {
    const Extension extension(X509V3_EXT_conf_nid(nullptr, nullptr, nid, value.c_str()));
    return extension && X509_add_ext(certificate, extension.get(), -1) == 1;
}

Certificate sign(EVP_PKEY* key, const std::string& hostname) {
    Certificate certificate(X509_new());
    if (!certificate) return nullptr;
    X509* x = certificate.get();
    unsigned char serial[16];
    if (RAND_bytes(serial, sizeof serial) != 1) return nullptr;
    serial[0] &= 0x7F;  // RFC 5280 §4.1.2.2: positive
    const std::unique_ptr<BIGNUM, Deleter<BN_free>> number(BN_bin2bn(serial, sizeof serial, nullptr));
    if (!number || BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(x)) == nullptr) return nullptr;
    X509_NAME* name = X509_get_subject_name(x);
    const auto common = hostname.substr(0, kMaxCommonName);
    const bool named =
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                                   reinterpret_cast<const unsigned char*>(common.c_str()), -1, -1, 0) == 1;
    const bool is_ip = IpAddress::parse(hostname).has_value();
    const bool done = named && X509_set_version(x, X509_VERSION_3) == 1 && X509_set_issuer_name(x, name) == 1 &&
                      X509_gmtime_adj(X509_getm_notBefore(x), -3600) != nullptr &&
                      X509_gmtime_adj(X509_getm_notAfter(x), kTenYears) != nullptr &&
                      X509_set_pubkey(x, key) == 1 &&
                      add_extension(x, NID_subject_alt_name, (is_ip ? "IP:" : "DNS:") + hostname) &&
                      add_extension(x, NID_ext_key_usage, "serverAuth") && X509_sign(x, key, EVP_sha256()) > 0;
    if (!done) return nullptr;
    return certificate;
}

std::string text_of(BIO* bio) {
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio, &data);
    return {data, static_cast<std::size_t>(size)};
}

// Whole and durable, or not there.
base::Result<void> write_file(const std::string& path, std::string_view text, mode_t mode) {
    const std::string temporary = path + ".new";
    ::unlink(temporary.c_str());  // of a start that was cut short
    const base::Fd file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
    if (!file) return base::fail_errno(temporary, errno);
    while (!text.empty()) {
        const auto put = ::write(file.get(), text.data(), text.size());
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return base::fail_errno(temporary, errno);
        text.remove_prefix(static_cast<std::size_t>(put));
    }
    if (::fsync(file.get()) != 0) return base::fail_errno(temporary, errno);
    if (::rename(temporary.c_str(), path.c_str()) != 0) return base::fail_errno(path, errno);
    return {};
}

// Null with OpenSSL's reason queued.
Key read_key(const std::string& path) {
    const Bio file(BIO_new_file(path.c_str(), "r"));
    if (!file) return nullptr;
    return Key(PEM_read_bio_PrivateKey(file.get(), nullptr, nullptr, nullptr));
}

bool exists(const std::string& path) {
    struct stat status{};
    return ::stat(path.c_str(), &status) == 0;
}

}  // namespace

base::Result<bool> ensure_self_signed(const std::string& hostname, const std::string& certificate_path,
                                      const std::string& key_path) {
    const bool has_key = exists(key_path);
    if (exists(certificate_path)) {
        if (has_key) return false;
        return base::fail(base::ErrorKind::permanent,
                          certificate_path + " is there, its key " + key_path + " is not");
    }
    // The key is written first: one that stands alone is what a start that was cut short left.
    const Key key = has_key ? read_key(key_path) : Key(EVP_EC_gen("P-256"));
    if (!key) return broken(key_path);
    const auto certificate = sign(key.get(), hostname);
    if (!certificate) return broken("certificate for " + hostname);
    const Bio key_text(BIO_new(BIO_s_mem()));
    const Bio certificate_text(BIO_new(BIO_s_mem()));
    if (!key_text || !certificate_text ||
        PEM_write_bio_PrivateKey(key_text.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1 ||
        PEM_write_bio_X509(certificate_text.get(), certificate.get()) != 1) {
        return broken("PEM");
    }
    if (!has_key) {
        auto done = write_file(key_path, text_of(key_text.get()), 0600);
        if (!done) return std::unexpected(done.error());
    }
    if (auto done = write_file(certificate_path, text_of(certificate_text.get()), 0644); !done) {
        return std::unexpected(done.error());
    }
    return true;
}

}  // namespace posthorn::net
