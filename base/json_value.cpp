#include "base/json_value.hpp"

#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>

#include <limits>

namespace posthorn::base {
namespace {

const JsonValue kNull;

// Puts together what RapidJSON's reader tells of; an answer of false ends the reading.
class Builder : public rapidjson::BaseReaderHandler<rapidjson::UTF8<>, Builder> {
public:
    bool Null() { return put(JsonValue()); }
    bool Bool(bool b) { return put(JsonValue(b)); }
    bool Int(int i) { return put(JsonValue(std::int64_t{i})); }
    bool Uint(unsigned u) { return put(JsonValue(std::int64_t{u})); }
    bool Int64(std::int64_t i) { return put(JsonValue(i)); }
    bool Uint64(std::uint64_t u) {
        if (u > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
            return put(JsonValue(static_cast<double>(u)));
        return put(JsonValue(static_cast<std::int64_t>(u)));
    }
    bool Double(double d) { return put(JsonValue(d)); }
    bool String(const char* text, rapidjson::SizeType size, bool) {
        return put(JsonValue(std::string(text, size)));
    }
    bool Key(const char* text, rapidjson::SizeType size, bool) {
        open_.back().key.assign(text, size);
        return true;
    }
    bool StartObject() { return open(JsonValue::Object()); }
    bool StartArray() { return open(JsonValue::Array()); }
    bool EndObject(rapidjson::SizeType) { return close(); }
    bool EndArray(rapidjson::SizeType) { return close(); }

    JsonValue take() { return std::move(root_); }

private:
    struct Open {
        std::variant<JsonValue::Array, JsonValue::Object> into;
        std::string key;  // of the member that comes next
    };

    bool put(JsonValue value) {
        if (open_.empty()) {
            root_ = std::move(value);
        } else if (auto* array = std::get_if<JsonValue::Array>(&open_.back().into)) {
            array->push_back(std::move(value));
        } else {
            std::get<JsonValue::Object>(open_.back().into)
                .emplace_back(std::move(open_.back().key), std::move(value));
        }
        return true;
    }
    template <class Container>
    bool open(Container empty) {
        if (open_.size() == kMaxJsonDepth) return false;
        open_.push_back({std::move(empty), {}});
        return true;
    }
    bool close() {
        JsonValue value = std::visit([](auto& all) { return JsonValue(std::move(all)); }, open_.back().into);
        open_.pop_back();
        return put(std::move(value));
    }

    std::vector<Open> open_;
    JsonValue root_;
};

}  // namespace

std::optional<double> JsonValue::number() const {
    if (const auto whole = integer()) return static_cast<double>(*whole);
    return get<double>();
}

const JsonValue& JsonValue::operator[](std::string_view name) const {
    if (const Object* members = object()) {
        for (const auto& [key, value] : *members) {
            if (key == name) return value;
        }
    }
    return kNull;
}

const JsonValue& JsonValue::operator[](std::size_t index) const {
    const Array* elements = array();
    return elements != nullptr && index < elements->size() ? (*elements)[index] : kNull;
}

std::optional<JsonValue> read_json(std::string_view text) {
    rapidjson::MemoryStream bytes(text.data(), text.size());
    rapidjson::EncodedInputStream<rapidjson::UTF8<>, rapidjson::MemoryStream> stream(bytes);
    rapidjson::Reader reader;
    Builder builder;
    // Iterative: the nesting of a hostile text uses no stack.
    constexpr unsigned kFlags = rapidjson::kParseIterativeFlag | rapidjson::kParseValidateEncodingFlag;
    if (reader.Parse<kFlags>(stream, builder).IsError()) return std::nullopt;
    return builder.take();
}

}  // namespace posthorn::base
