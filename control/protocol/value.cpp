#include "control/protocol/value.hpp"

#include "base/json.hpp"
#include "base/msgpack.hpp"

namespace posthorn::control {
namespace {

void write(const Value& value, base::MsgpackWriter& out) {
    if (const auto* b = value.as<bool>()) {
        out.boolean(*b);
    } else if (const auto* i = value.as<std::int64_t>()) {
        out.integer(*i);
    } else if (const auto* d = value.as<double>()) {
        out.number(*d);
    } else if (const auto* s = value.as<std::string>()) {
        out.str(*s);
    } else if (const auto* bytes = value.as<Bytes>()) {
        out.bin(bytes->octets);
    } else if (const auto* list = value.items()) {
        out.array(list->size());
        for (const auto& item : *list) write(item, out);
    } else if (const auto* map = value.members()) {
        out.map(map->size());
        for (const auto& [key, member] : *map) {
            out.str(key);
            write(member, out);
        }
    } else {
        out.nil();
    }
}

class Decoder {
public:
    Decoder(std::string_view bytes, std::size_t max_values) : in_(bytes), left_(max_values) {}

    std::optional<Value> whole() {
        auto value = one(0);
        if (!value || !in_.at_end()) return std::nullopt;
        return value;
    }

private:
    std::optional<Value> one(int depth) {
        using Type = base::MsgpackReader::Type;
        if (left_ == 0 || depth > base::MsgpackReader::kMaxDepth) return std::nullopt;
        --left_;
        switch (in_.peek()) {
            case Type::nil: return in_.nil() ? std::optional(Value{}) : std::nullopt;
            case Type::boolean: return simple<bool>(&base::MsgpackReader::boolean);
            case Type::integer: return simple<std::int64_t>(&base::MsgpackReader::integer);
            case Type::number: return simple<double>(&base::MsgpackReader::number);
            case Type::str: return text(&base::MsgpackReader::str);
            case Type::bin: return bytes();
            case Type::array: return list(depth);
            case Type::map: return map(depth);
            case Type::other: return std::nullopt;
        }
        return std::nullopt;
    }

    template <class T>
    std::optional<Value> simple(bool (base::MsgpackReader::*read)(T&)) {
        T v{};
        if (!(in_.*read)(v)) return std::nullopt;
        return Value(v);
    }

    std::optional<Value> text(bool (base::MsgpackReader::*read)(std::string_view&)) {
        std::string_view v;
        if (!(in_.*read)(v)) return std::nullopt;
        return Value(v);
    }

    std::optional<Value> bytes() {
        std::string_view v;
        if (!in_.bin(v)) return std::nullopt;
        return Value(Bytes{std::string(v)});
    }

    std::optional<Value> list(int depth) {
        std::size_t count = 0;
        if (!in_.array(count) || count > left_) return std::nullopt;
        Value::List items;
        items.reserve(count);
        for (std::size_t i = 0; i < count; ++i) {
            auto item = one(depth + 1);
            if (!item) return std::nullopt;
            items.push_back(*std::move(item));
        }
        return Value(std::move(items));
    }

    std::optional<Value> map(int depth) {
        std::size_t count = 0;
        if (!in_.map(count) || count > left_) return std::nullopt;
        Value::Map members;
        members.reserve(count);
        for (std::size_t i = 0; i < count; ++i) {
            std::string key;
            if (in_.peek() != base::MsgpackReader::Type::str || !in_.str(key)) return std::nullopt;
            auto member = one(depth + 1);
            if (!member) return std::nullopt;
            members.emplace_back(std::move(key), *std::move(member));
        }
        return Value(std::move(members));
    }

    base::MsgpackReader in_;
    std::size_t left_;
};

void write_json(const Value& value, std::string& out, bool pretty, std::size_t indent);

void line(std::string& out, bool pretty, std::size_t indent) {
    if (!pretty) return;
    out += '\n';
    out.append(indent * 2, ' ');
}

void write_list(const Value::List& list, std::string& out, bool pretty, std::size_t indent) {
    out += '[';
    bool first = true;
    for (const auto& item : list) {
        if (!first) out += ',';
        first = false;
        line(out, pretty, indent + 1);
        write_json(item, out, pretty, indent + 1);
    }
    if (!list.empty()) line(out, pretty, indent);
    out += ']';
}

void write_map(const Value::Map& map, std::string& out, bool pretty, std::size_t indent) {
    out += '{';
    bool first = true;
    for (const auto& [key, member] : map) {
        if (!first) out += ',';
        first = false;
        line(out, pretty, indent + 1);
        base::append_json_string(out, key);
        out += pretty ? ": " : ":";
        write_json(member, out, pretty, indent + 1);
    }
    if (!map.empty()) line(out, pretty, indent);
    out += '}';
}

void write_json(const Value& value, std::string& out, bool pretty, std::size_t indent) {
    if (const auto* b = value.as<bool>())
        out += *b ? "true" : "false";
    else if (const auto* i = value.as<std::int64_t>())
        out += std::to_string(*i);
    else if (const auto* d = value.as<double>())
        out += base::JsonWriter().value(*d).text();
    else if (const auto* s = value.as<std::string>())
        base::append_json_string(out, *s);
    else if (const auto* bytes = value.as<Bytes>())
        base::append_json_string(out, bytes->octets);
    else if (const auto* list = value.items())
        write_list(*list, out, pretty, indent);
    else if (const auto* map = value.members())
        write_map(*map, out, pretty, indent);
    else
        out += "null";
}

}  // namespace

const Value* Value::find(std::string_view key) const {
    const auto* map = members();
    if (map == nullptr) return nullptr;
    for (const auto& [name, member] : *map)
        if (name == key) return &member;
    return nullptr;
}

Value& Value::set(std::string key, Value value) {
    std::get<Map>(data_).emplace_back(std::move(key), std::move(value));
    return *this;
}

Value& Value::add(Value item) {
    std::get<List>(data_).push_back(std::move(item));
    return *this;
}

std::optional<std::int64_t> Value::integer() const {
    const auto* i = as<std::int64_t>();
    return i != nullptr ? std::optional(*i) : std::nullopt;
}

std::optional<double> Value::number() const {
    if (const auto* d = as<double>()) return *d;
    const auto* i = as<std::int64_t>();
    return i != nullptr ? std::optional(static_cast<double>(*i)) : std::nullopt;
}

std::string encode(const Value& value) {
    base::MsgpackWriter out;
    write(value, out);
    return out.take();
}

std::optional<Value> decode(std::string_view bytes, std::size_t max_values) {
    return Decoder(bytes, max_values).whole();
}

std::string to_json(const Value& value, bool pretty) {
    std::string out;
    write_json(value, out, pretty, 0);
    return out;
}

}  // namespace posthorn::control
