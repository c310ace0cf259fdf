#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/log.hpp"
#include "server/parts.hpp"

namespace posthorn::server {
namespace {

constexpr mode_t kFolderMode = 0700;

// Where the certificate is; one is made where none is configured and none was made before.
base::Result<net::TlsServerConfig> certificate(const Config& config, const std::optional<Identity>& owner) {
    if (!config.tls.certificate.empty()) return net::TlsServerConfig{config.tls.certificate, config.tls.key};
    const auto folder = config.server.data_dir + "/tls";
    const net::TlsServerConfig files{folder + "/self-signed.pem", folder + "/self-signed.key"};
    if (::mkdir(folder.c_str(), kFolderMode) == 0) {
        if (::chmod(folder.c_str(), kFolderMode) != 0) return base::fail_errno(folder, errno);
    } else if (errno != EEXIST) {
        return base::fail_errno(folder, errno);
    }
    // Root follows no link here: data_dir belongs to the user we become, who may have put it there.
    struct stat info{};
    if (owner && (::lstat(folder.c_str(), &info) != 0 || !S_ISDIR(info.st_mode)))
        return base::fail(base::ErrorKind::permanent, folder + ": is not a folder, or is a link to one");
    const auto made = net::ensure_self_signed(config.server.hostname, files.certificate, files.key);
    if (!made) return std::unexpected(made.error());
    if (*made) {
        base::log::notice("tls.self_signed", {{"certificate", files.certificate},
                                              {"hostname", config.server.hostname},
                                              {"msg", "no certificate is configured: made a self-signed one"}});
    }
    for (const auto& path : {folder, files.certificate, files.key}) {
        // Read again at reload, then without privileges.
        if (owner && ::lchown(path.c_str(), owner->uid, owner->gid) != 0) return base::fail_errno(path, errno);
    }
    return files;
}

}  // namespace

base::Result<TlsContexts> make_tls(const Config& config, const std::optional<Identity>& owner) {
    TlsContexts out;
    const auto files = certificate(config, owner);
    if (!files) return std::unexpected(files.error());
    auto server = net::make_tls_server(*files);
    if (!server) return std::unexpected(server.error());
    auto unverified = net::make_tls_client(net::TlsVerify::none);
    if (!unverified) return std::unexpected(unverified.error());
    auto verifying = net::make_tls_client(net::TlsVerify::chain_and_name);
    if (!verifying) return std::unexpected(verifying.error());
    out.server = *std::move(server);
    out.unverified = *std::move(unverified);
    out.verifying = *std::move(verifying);
    return out;
}

}  // namespace posthorn::server
