// What a certificate says, for whoever looks after it.
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cerrno>
#include <cstdio>
#include <ctime>
#include <memory>

#include "base/ascii.hpp"
#include "net/impl/tls_session.hpp"
#include "net/tls.hpp"

namespace posthorn::net {
namespace {

template <auto Free>
struct Deleter {
    template <class T>
    void operator()(T* object) const {
        Free(object);
    }
};
using Certificate = std::unique_ptr<X509, Deleter<X509_free>>;
using Names = std::unique_ptr<GENERAL_NAMES, Deleter<GENERAL_NAMES_free>>;

std::string text_of(const ASN1_STRING* text) {
    return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
            static_cast<std::size_t>(ASN1_STRING_length(text))};
}

base::WallTime time_of(const ASN1_TIME* time) {
    std::tm parts{};
    if (ASN1_TIME_to_tm(time, &parts) != 1) return {};
    return base::WallTime(std::chrono::seconds(::timegm(&parts)));
}

std::vector<std::string> names_of(X509* certificate) {
    std::vector<std::string> out;
    const Names names(
        static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
    for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
        const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
        if (name->type == GEN_DNS) out.push_back(text_of(name->d.dNSName));
    }
    if (!out.empty()) return out;
    X509_NAME* subject = X509_get_subject_name(certificate);
    const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (at >= 0) out.push_back(text_of(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at))));
    return out;
}

}  // namespace

bool CertificateInfo::covers(std::string_view host) const {
    for (const std::string_view name : names) {
        if (base::iequals(name, host)) return true;
        const auto dot = host.find('.');
        if (name.starts_with("*.") && dot != std::string_view::npos &&
            base::iequals(name.substr(1), host.substr(dot)))
            return true;
    }
    return false;
}

base::Result<CertificateInfo> read_certificate(const std::string& path) {
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "re"), std::fclose);
    if (!file) return base::fail_errno(path, errno);
    const Certificate certificate(PEM_read_X509(file.get(), nullptr, nullptr, nullptr));
    if (!certificate)
        return base::fail(base::ErrorKind::permanent,
                          path + ": is no certificate in PEM: " + impl::openssl_error());
    X509* x = certificate.get();
    return CertificateInfo{.path = path,
                           .not_before = time_of(X509_get0_notBefore(x)),
                           .not_after = time_of(X509_get0_notAfter(x)),
                           .names = names_of(x),
                           .self_signed = X509_check_issued(x, x) == X509_V_OK};
}

}  // namespace posthorn::net
