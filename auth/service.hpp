// Everything of auth/ as the configuration wants it: made once by server/, handed to others by its ports.
#pragma once

#include <memory>

#include "auth/config.hpp"
#include "auth/directory.hpp"
#include "auth/editor.hpp"
#include "auth/high_marks.hpp"
#include "auth/provider.hpp"
#include "base/metrics.hpp"
#include "mail/event.hpp"
#include "net/http_client.hpp"
#include "net/pool.hpp"

namespace posthorn::auth {

class Service {
public:
    virtual ~Service() = default;
    virtual Directory& directory() = 0;
    virtual Provider& provider() = 0;
    virtual Editor& editor() = 0;  // of the embedded directory, whether or not it is among the backends
    virtual HighMarks& marks() = 0;
};

struct Deps {
    const base::Clock& clock;
    net::Pool& disk;
    base::Metrics& metrics;
    net::HttpClient http;               // for OAuth; what it stands on outlives the service
    mail::EventSink* events = nullptr;  // told of refused logins; null: nobody is
};

// Opens the embedded directory (made when absent; its folder must be there) and the configured backends; blocks, at
// start only. All of `deps` outlives the service, and it the loops' run. An error is a reason not to start.
base::Result<std::unique_ptr<Service>> open_service(const Deps& deps, const Config& config);

}  // namespace posthorn::auth
