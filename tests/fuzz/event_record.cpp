// Files of the event history, spoiled by whatever: the reader goes on by what it is told to and ends; what it decodes
// comes back the same when it is encoded and decoded again.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "observe/history_record.hpp"

using namespace posthorn;
using State = observe::EventRecord::State;

namespace {

void check(std::string_view payload) {
    const auto keys = observe::read_event_keys(payload);
    const auto event = observe::decode_event(payload);
    if (!event) return;
    if (!keys || keys->message_id != event->message_id || keys->session != event->session) std::abort();
    const auto bytes = observe::encode_event_record(*event);
    const auto record = observe::next_event_record(bytes);
    if (record.state != State::good || record.size != bytes.size()) std::abort();
    const auto again = observe::decode_event(record.payload);
    if (!again || observe::encode_event_record(*again) != bytes) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view rest(reinterpret_cast<const char*>(data), size);
    check(rest);  // past the checksum, which chance does not find
    while (true) {
        const auto record = observe::next_event_record(rest);
        if (record.state == State::partial) break;
        if (record.size == 0 || record.size > rest.size()) std::abort();
        if (record.state == State::good) check(record.payload);
        rest.remove_prefix(record.size);
    }
    return 0;
}
