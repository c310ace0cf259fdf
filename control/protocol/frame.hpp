// Frames of the control socket (docs/control-protocol.md): a big-endian uint32 length, at most 1 MiB, then one
// MessagePack map. Pure; server and client use the same reader.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "control/protocol/value.hpp"

namespace posthorn::control {

inline constexpr std::size_t kMaxFrame = std::size_t{1} << 20;  // octets after the length
inline constexpr std::int64_t kProtocolVersion = 1;
inline constexpr int kSilenceSeconds = 30;  // neither side waits longer for the next frame

// The length in front; `body` is at most kMaxFrame.
std::string frame(std::string_view body);

// Cuts frames out of a stream. What it holds is bounded by one frame: it tells how much it will take.
class FrameReader {
public:
    // Bytes that may be fed now.
    std::size_t wants() const;
    void feed(std::string_view bytes);  // at most wants()
    bool complete() const { return buffer_.size() >= kHeader && buffer_.size() == kHeader + length(); }
    bool oversized() const { return buffer_.size() >= kHeader && length() > kMaxFrame; }
    bool empty() const { return buffer_.empty(); }
    std::string take();  // the body of a complete frame

private:
    static constexpr std::size_t kHeader = 4;
    std::size_t length() const;
    std::string buffer_;
};

struct Request {
    std::int64_t id = 0;
    std::string token;
    std::string command;
    Value args;         // a map
    bool more = false;  // the rest of a long request follows, in frames of its own
};

// A further frame of a long request.
struct RequestPart {
    std::int64_t id = 0;  // the request's
    Value::List items;    // none: a sign of life
    bool more = false;
};

struct Answer {
    std::int64_t id = 0;
    bool ok = true;
    Value result;
    Value info;         // beside a list: what is to say about it as a whole
    bool more = false;  // further frames follow: their lists are to be joined
    std::string code;   // not ok: "not_found", "bad_request", "forbidden", "unknown_command", "busy", "failed"
    std::string message;
};

std::string encode_request(const Request& request);
std::string encode_part(const RequestPart& part);
std::string encode_answer(const Answer& answer);
// Nothing for what is not a request of version 1; `id` is told when it could be read all the same.
std::optional<Request> decode_request(std::string_view body, std::int64_t& id);
// Nothing for what is no such frame.
std::optional<RequestPart> decode_part(std::string_view body);
std::optional<Answer> decode_answer(std::string_view body);

}  // namespace posthorn::control
