// TLS contexts: immutable snapshots, replaced whole on reload; live sessions keep theirs. OpenSSL stays in impl/.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"

namespace posthorn::net {

class TlsServerContext {
public:
    virtual ~TlsServerContext() = default;
};

class TlsClientContext {
public:
    virtual ~TlsClientContext() = default;
};

struct TlsServerConfig {
    std::string certificate;  // path of a PEM chain
    std::string key;          // path of its PEM key
};

// TLS 1.2 and up. Reads the files now; the error names the file and what is wrong with it.
base::Result<std::shared_ptr<const TlsServerContext>> make_tls_server(TlsServerConfig config);

// What the first certificate of a PEM file says.
struct CertificateInfo {
    std::string path;
    base::WallTime not_before{};
    base::WallTime not_after{};
    std::vector<std::string>
        names;  // DNS names it is for, "*.example.org" among them; else the subject's common name
    bool self_signed = false;
    // RFC 6125 §6.4: one of the names, or a wildcard for its first label.
    bool covers(std::string_view host) const;
};
base::Result<CertificateInfo> read_certificate(const std::string& path);

enum class TlsVerify { none, chain_and_name };
// `ca_file` empty: the system's store.
base::Result<std::shared_ptr<const TlsClientContext>> make_tls_client(TlsVerify verify, std::string ca_file = {});

// Writes a self-signed certificate for `hostname` (ECDSA P-256, ten years) and its key (mode 0600) where none
// stand yet; true when it made them.
base::Result<bool> ensure_self_signed(const std::string& hostname, const std::string& certificate_path,
                                      const std::string& key_path);

}  // namespace posthorn::net
