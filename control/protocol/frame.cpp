#include "control/protocol/frame.hpp"

#include <algorithm>
#include <utility>

namespace posthorn::control {

std::string frame(std::string_view body) {
    const auto size = static_cast<std::uint32_t>(body.size());
    std::string out;
    out.reserve(body.size() + 4);
    for (const int shift : {24, 16, 8, 0}) out += static_cast<char>((size >> shift) & 0xFFU);
    out += body;
    return out;
}

std::size_t FrameReader::length() const {
    std::size_t size = 0;
    for (std::size_t i = 0; i < kHeader; ++i) size = (size << 8U) | static_cast<unsigned char>(buffer_[i]);
    return size;
}

std::size_t FrameReader::wants() const {
    if (buffer_.size() < kHeader) return kHeader - buffer_.size();
    return oversized() ? 0 : kHeader + length() - buffer_.size();
}

void FrameReader::feed(std::string_view bytes) { buffer_ += bytes.substr(0, wants()); }

std::string FrameReader::take() {
    std::string body = buffer_.substr(kHeader);
    buffer_ = {};
    return body;
}

std::string encode_request(const Request& request) {
    auto map = Value::map();
    map.set("v", kProtocolVersion).set("id", request.id);
    if (!request.token.empty()) map.set("token", request.token);
    map.set("cmd", request.command).set("args", request.args);
    if (request.more) map.set("more", true);
    return encode(map);
}

std::string encode_part(const RequestPart& part) {
    auto map = Value::map();
    map.set("v", kProtocolVersion).set("id", part.id).set("part", part.items);
    if (part.more) map.set("more", true);
    return encode(map);
}

std::string encode_answer(const Answer& answer) {
    auto map = Value::map();
    map.set("v", kProtocolVersion).set("id", answer.id).set("ok", answer.ok);
    if (answer.ok) {
        map.set("result", answer.result);
        if (!answer.info.nil()) map.set("info", answer.info);
        if (answer.more) map.set("more", true);
    } else {
        auto error = Value::map();
        error.set("code", answer.code).set("message", answer.message);
        map.set("error", std::move(error));
    }
    return encode(map);
}

std::optional<Request> decode_request(std::string_view body, std::int64_t& id) {
    const auto value = decode(body, kMaxRequestValues);
    if (!value || value->members() == nullptr) return std::nullopt;
    const auto* number = value->find("id");
    if (number == nullptr || !number->integer()) return std::nullopt;
    id = *number->integer();
    const auto* version = value->find("v");
    const auto* command = value->find("cmd");
    const auto* args = value->find("args");
    const auto* token = value->find("token");
    const auto* more = value->find("more");
    if (version == nullptr || version->integer() != kProtocolVersion || command == nullptr ||
        command->as<std::string>() == nullptr || (args != nullptr && args->members() == nullptr) ||
        (token != nullptr && token->as<std::string>() == nullptr) ||
        (more != nullptr && more->as<bool>() == nullptr))
        return std::nullopt;
    return Request{.id = id,
                   .token = token != nullptr ? std::string(token->text()) : "",
                   .command = std::string(command->text()),
                   .args = args != nullptr ? *args : Value::map(),
                   .more = more != nullptr && more->truth()};
}

std::optional<RequestPart> decode_part(std::string_view body) {
    const auto value = decode(body, kMaxRequestValues);
    if (!value || value->members() == nullptr) return std::nullopt;
    const auto* version = value->find("v");
    const auto* id = value->find("id");
    const auto* part = value->find("part");
    const auto* more = value->find("more");
    if (version == nullptr || version->integer() != kProtocolVersion || id == nullptr || !id->integer() ||
        part == nullptr || part->items() == nullptr || (more != nullptr && more->as<bool>() == nullptr))
        return std::nullopt;
    return RequestPart{.id = *id->integer(), .items = *part->items(), .more = more != nullptr && more->truth()};
}

std::optional<Answer> decode_answer(std::string_view body) {
    auto value = decode(body, kMaxAnswerValues);
    if (!value) return std::nullopt;
    const auto* id = value->find("id");
    const auto* ok = value->find("ok");
    if (id == nullptr || !id->integer() || ok == nullptr || ok->as<bool>() == nullptr) return std::nullopt;
    Answer answer{.id = *id->integer(), .ok = ok->truth()};
    if (const auto* result = value->find("result")) answer.result = *result;
    if (const auto* info = value->find("info")) answer.info = *info;
    if (const auto* more = value->find("more")) answer.more = more->truth();
    if (const auto* error = value->find("error")) {
        if (const auto* code = error->find("code")) answer.code = code->text();
        if (const auto* message = error->find("message")) answer.message = message->text();
    }
    return answer;
}

}  // namespace posthorn::control
