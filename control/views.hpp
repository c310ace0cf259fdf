// Delivery's values as what mailctl and scripts see. Pure; docs/control-protocol.md names the fields.
#pragma once

#include "control/protocol/value.hpp"
#include "delivery/operator.hpp"

namespace posthorn::control {

inline constexpr std::size_t kMaxListedRecipients = 5;      // of one message in queue.list
inline constexpr std::size_t kMaxViewedRecipients = 1'000;  // in queue.view: an answer has to fit a frame

Value list_item(const delivery::MessageView& message);
Value message_view(const delivery::MessageView& message);
Value stats_view(const delivery::Stats& stats);
// What holds a destination's mail back; nil where none waits.
Value why(const delivery::DestinationStats& destination);

}  // namespace posthorn::control
