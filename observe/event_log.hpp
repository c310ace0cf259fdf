// Events as log lines: the one place that decides which keys a line has. Every line of one kind of event has the
// same keys; a key is left out only where it has nothing to say.
#pragma once

#include "mail/event.hpp"

namespace posthorn::observe {

class EventLog final : public mail::EventSink {
public:
    void record(const mail::Event& event) override;
};

}  // namespace posthorn::observe
