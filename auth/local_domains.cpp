#include "auth/local_domains.hpp"

#include <algorithm>
#include <filesystem>

#include "auth/impl/directory_file.hpp"
#include "auth/impl/file_backend.hpp"

namespace posthorn::auth {
namespace {

base::Result<std::vector<std::string>> domains_of(BackendKind kind, const Config& config) {
    switch (kind) {
        case BackendKind::embedded: return impl::DirectoryFile::read_domains(config.database);
        case BackendKind::file: return impl::FileBackend::read_domains(config.file.path);
        case BackendKind::sql: return config.sql.domains;
        case BackendKind::ldap: return config.ldap.domains;
    }
    return std::vector<std::string>();
}

}  // namespace

base::Result<std::vector<std::string>> read_local_domains(const Config& config) {
    std::vector<std::string> out;
    for (const auto kind : config.backends) {
        auto some = domains_of(kind, config);
        if (!some) return some;
        out.insert(out.end(), some->begin(), some->end());
    }
    std::ranges::sort(out);
    out.erase(std::ranges::unique(out).begin(), out.end());
    return out;
}

}  // namespace posthorn::auth
