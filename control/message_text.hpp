// The octets of queued messages, as they would go out, piece by piece: nobody holds the whole of one.
#pragma once

#include "control/handlers.hpp"
#include "net/pool.hpp"
#include "spool/queue.hpp"

namespace posthorn::control {

// Finds the end of a header section however the message is cut.
class HeaderEnd {
public:
    // How many of the next octets belong to it, the empty line included.
    std::size_t take(std::string_view octets);
    bool found() const { return found_; }

private:
    bool line_empty_ = true;
    bool found_ = false;
};

enum class Extent : std::uint8_t {
    headers,
    whole,
    with_envelope,  // the whole, after the fields of control/imported.hpp
};

// What follows a list that is begun already: pieces as Bytes. A permanent error: there is no such message.
net::Task<base::Result<std::shared_ptr<Parts>>> message_parts(net::Loop& loop, spool::Queue& queue, net::Pool& disk,
                                                              base::Ulid id, Extent extent);

// `queue.export`. Both outlive the handler.
Handlers make_export_handlers(spool::Queue& queue, net::Pool& disk);

}  // namespace posthorn::control
