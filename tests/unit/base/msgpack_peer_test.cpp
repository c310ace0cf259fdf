// Our codec against msgpack-cxx: each must read what the other writes, and over any octets at all both must agree on
// what is a value, but for our limit of nesting.
#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <msgpack.hpp>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/msgpack.hpp"
#include "base/random.hpp"

using namespace posthorn::base;

namespace {

struct Bin {
    std::string bytes;
    bool operator==(const Bin&) const = default;
};

struct Entry;

struct Tree {
    using List = std::vector<Tree>;
    using Map = std::vector<Entry>;
    // An integer above 0 is always a std::uint64_t.
    std::variant<std::monostate, bool, std::int64_t, std::uint64_t, double, std::string, Bin, List, Map> is;

    Tree();
    template <class T>
    Tree(T value) : is(std::move(value)) {}  // NOLINT: one value is a tree
    bool operator==(const Tree& other) const;
};

struct Entry {
    Tree key;
    Tree value;
    bool operator==(const Entry&) const = default;
};

Tree::Tree() = default;

// Doubles by their bits: a NaN must come through, too.
bool Tree::operator==(const Tree& other) const {
    const auto* a = std::get_if<double>(&is);
    const auto* b = std::get_if<double>(&other.is);
    if (a != nullptr && b != nullptr) return std::bit_cast<std::uint64_t>(*a) == std::bit_cast<std::uint64_t>(*b);
    return is == other.is;
}

Tree whole(std::int64_t n) { return n < 0 ? Tree{n} : Tree{static_cast<std::uint64_t>(n)}; }

// Every width of an integer and of a length is as likely as any other.
std::uint64_t some_bits(Random& random) { return random.next() >> random.below(64); }

// msgpack-cxx writes a double without a fraction as an integer if one can hold it: not what this is about.
double some_fraction(Random& random) {
    const auto value = std::bit_cast<double>(random.next());
    return std::abs(value) <= 0x1p64 && value == std::trunc(value) ? random.unit() / 3 : value;
}

std::string some_bytes(Random& random) {
    static constexpr std::size_t kEdges[] = {0, 1, 31, 32, 255, 256, 65535, 65536};
    const auto size = random.below(20) == 0 ? kEdges[random.below(std::size(kEdges))] : random.below(40);
    std::string out(size, '\0');
    for (char& c : out) c = static_cast<char>(random.next());
    return out;
}

std::size_t some_count(Random& random) { return random.below(60) == 0 ? 14 + random.below(4) : random.below(4); }

Tree some_tree(Random& random, int depth) {
    switch (random.below(depth == 0 ? 7 : 9)) {
        case 0: return {};
        case 1: return {random.below(2) == 0};
        case 2: return whole(static_cast<std::int64_t>(some_bits(random)));
        case 3: return whole(-static_cast<std::int64_t>(some_bits(random) / 2));
        case 4: return {some_fraction(random)};
        case 5: return {some_bytes(random)};
        case 6: return {Bin{some_bytes(random)}};
        case 7: {
            Tree::List list(some_count(random));
            for (Tree& item : list) item = some_tree(random, depth - 1);
            return {std::move(list)};
        }
        default: {
            Tree::Map map(some_count(random));
            for (auto& [key, value] : map) key = some_tree(random, depth - 1), value = some_tree(random, depth - 1);
            return {std::move(map)};
        }
    }
}

struct OurWriter {
    MsgpackWriter& out;
    void operator()(std::monostate) const { out.nil(); }
    void operator()(bool value) const { out.boolean(value); }
    void operator()(std::int64_t value) const { out.integer(value); }
    void operator()(std::uint64_t value) const { out.uinteger(value); }
    void operator()(double value) const { out.number(value); }
    void operator()(const std::string& text) const { out.str(text); }
    void operator()(const Bin& bin) const { out.bin(bin.bytes); }
    void operator()(const Tree::List& list) const {
        out.array(list.size());
        for (const Tree& item : list) std::visit(*this, item.is);
    }
    void operator()(const Tree::Map& map) const {
        out.map(map.size());
        for (const auto& [key, value] : map) std::visit(*this, key.is), std::visit(*this, value.is);
    }
};

// Integers in any width that holds them, not only the shortest.
struct TheirWriter {
    msgpack::packer<msgpack::sbuffer>& out;
    Random& random;

    void operator()(std::monostate) const { out.pack_nil(); }
    void operator()(bool value) const { value ? out.pack_true() : out.pack_false(); }
    void operator()(std::int64_t value) const {
        if (random.below(2) == 0)
            out.pack_int64(value);
        else if (value >= std::numeric_limits<std::int32_t>::min() && random.below(2) == 0)
            out.pack_fix_int32(static_cast<std::int32_t>(value));
        else
            out.pack_fix_int64(value);
    }
    void operator()(std::uint64_t value) const {
        if (random.below(2) == 0)
            out.pack_uint64(value);
        else if (value <= std::numeric_limits<std::uint16_t>::max() && random.below(2) == 0)
            out.pack_fix_uint16(static_cast<std::uint16_t>(value));
        else
            out.pack_fix_uint64(value);
    }
    void operator()(double value) const { out.pack_double(value); }
    void operator()(const std::string& text) const {
        out.pack_str(static_cast<std::uint32_t>(text.size()));
        out.pack_str_body(text.data(), static_cast<std::uint32_t>(text.size()));
    }
    void operator()(const Bin& bin) const {
        out.pack_bin(static_cast<std::uint32_t>(bin.bytes.size()));
        out.pack_bin_body(bin.bytes.data(), static_cast<std::uint32_t>(bin.bytes.size()));
    }
    void operator()(const Tree::List& list) const {
        out.pack_array(static_cast<std::uint32_t>(list.size()));
        for (const Tree& item : list) std::visit(*this, item.is);
    }
    void operator()(const Tree::Map& map) const {
        out.pack_map(static_cast<std::uint32_t>(map.size()));
        for (const auto& [key, value] : map) std::visit(*this, key.is), std::visit(*this, value.is);
    }
};

bool read_list(MsgpackReader& in, Tree::List& list);
bool read_map(MsgpackReader& in, Tree::Map& map);

bool read_integer(MsgpackReader& in, Tree& tree) {
    MsgpackReader as_negative = in;
    std::int64_t negative = 0;
    std::uint64_t positive = 0;
    if (as_negative.integer(negative)) {
        in = as_negative;
        tree = whole(negative);
        return true;
    }
    if (!in.uinteger(positive)) return false;
    tree = {positive};
    return true;
}

template <class T, class Read>
bool read_as(Tree& tree, Read read) {
    T value{};
    if (!read(value)) return false;
    tree = {std::move(value)};
    return true;
}

bool read_tree(MsgpackReader& in, Tree& tree) {
    using Type = MsgpackReader::Type;
    switch (in.peek()) {
        case Type::nil: tree = {}; return in.nil();
        case Type::boolean: return read_as<bool>(tree, [&](bool& v) { return in.boolean(v); });
        case Type::integer: return read_integer(in, tree);
        case Type::number: return read_as<double>(tree, [&](double& v) { return in.number(v); });
        case Type::str: return read_as<std::string>(tree, [&](std::string& v) { return in.str(v); });
        case Type::bin:
            return read_as<Bin>(tree, [&](Bin& v) {
                std::string_view bytes;
                const bool ok = in.bin(bytes);
                v.bytes = bytes;
                return ok;
            });
        case Type::array: return read_as<Tree::List>(tree, [&](Tree::List& v) { return read_list(in, v); });
        case Type::map: return read_as<Tree::Map>(tree, [&](Tree::Map& v) { return read_map(in, v); });
        case Type::other: break;
    }
    return false;
}

bool read_list(MsgpackReader& in, Tree::List& list) {
    std::size_t count = 0;
    if (!in.array(count)) return false;
    list.resize(count);
    for (Tree& item : list) {
        if (!read_tree(in, item)) return false;
    }
    return true;
}

bool read_map(MsgpackReader& in, Tree::Map& map) {
    std::size_t count = 0;
    if (!in.map(count)) return false;
    map.resize(count);
    for (auto& [key, value] : map) {
        if (!read_tree(in, key) || !read_tree(in, value)) return false;
    }
    return true;
}

Tree their_tree(const msgpack::object& object) {
    using namespace msgpack::type;
    const auto text = [](const auto& part) { return std::string(part.ptr, part.size); };
    switch (object.type) {
        case NIL: return {};
        case BOOLEAN: return {object.via.boolean};
        case POSITIVE_INTEGER: return {object.via.u64};
        case NEGATIVE_INTEGER: return whole(object.via.i64);
        case FLOAT32:
        case FLOAT64: return {object.via.f64};
        case STR: return {text(object.via.str)};
        case BIN: return {Bin{text(object.via.bin)}};
        case ARRAY: {
            Tree::List list;
            for (std::uint32_t i = 0; i < object.via.array.size; ++i)
                list.push_back(their_tree(object.via.array.ptr[i]));
            return {std::move(list)};
        }
        case MAP: {
            Tree::Map map;
            for (std::uint32_t i = 0; i < object.via.map.size; ++i)
                map.emplace_back(their_tree(object.via.map.ptr[i].key), their_tree(object.via.map.ptr[i].val));
            return {std::move(map)};
        }
        case EXT: break;
    }
    FAIL("an extension that nobody wrote");
    return {};
}

// How many containers that are not empty stand in one another.
int nesting(const msgpack::object& object) {
    int inside = -1;
    if (object.type == msgpack::type::ARRAY) {
        for (std::uint32_t i = 0; i < object.via.array.size; ++i)
            inside = std::max({inside, 0, nesting(object.via.array.ptr[i])});
    } else if (object.type == msgpack::type::MAP) {
        for (std::uint32_t i = 0; i < object.via.map.size; ++i)
            inside = std::max({inside, 0, nesting(object.via.map.ptr[i].key), nesting(object.via.map.ptr[i].val)});
    }
    return inside + 1;
}

std::string hex(std::string_view bytes) {
    std::string out;
    for (const char c : bytes.substr(0, 64)) {
        out += "0123456789abcdef"[static_cast<unsigned char>(c) >> 4];
        out += "0123456789abcdef"[static_cast<unsigned char>(c) & 15];
    }
    return out;
}

struct Theirs {
    bool whole = false;
    std::size_t used = 0;
    int nesting = 0;
};

// msgpack-cxx allocates what a count promises unless it is told what to expect; more than there are octets never comes.
Theirs their_reading(const std::string& bytes) {
    const msgpack::unpack_limit limit(bytes.size(), bytes.size(), bytes.size(), bytes.size(), bytes.size(), 1000);
    Theirs out;
    try {
        const auto handle = msgpack::unpack(bytes.data(), bytes.size(), out.used, nullptr, nullptr, limit);
        out.whole = true;
        out.nesting = nesting(handle.get());
    } catch (const msgpack::unpack_error&) {
        out.whole = false;
    }
    return out;
}

// Octets that mostly begin a value, so that containers nest and are cut off.
std::string some_octets(Random& random) {
    std::string out(random.below(120), '\0');
    const auto deep = random.below(3);
    for (char& c : out) {
        const auto pick = random.below(10);
        if (deep == 0 && random.below(50) != 0)
            c = static_cast<char>(random.below(50) == 0 ? 0x81 : 0x91);
        else if (pick < 3)
            c = static_cast<char>(0x80 + random.below(0x20));
        else if (pick < 7)
            c = static_cast<char>(0xC0 + random.below(0x20));
        else
            c = static_cast<char>(random.below(4));
    }
    return out;
}

}  // namespace

TEST_CASE("msgpack: msgpack-cxx reads what we write") {
    SeededRandom random(20260101);
    for (int i = 0; i < 3000; ++i) {
        const Tree tree = some_tree(random, 4);
        MsgpackWriter out;
        std::visit(OurWriter{out}, tree.is);
        CAPTURE(hex(out.bytes()));
        const auto handle = msgpack::unpack(out.bytes().data(), out.bytes().size());
        REQUIRE(their_tree(handle.get()) == tree);
    }
}

TEST_CASE("msgpack: we read what msgpack-cxx writes") {
    SeededRandom random(20260102);
    for (int i = 0; i < 3000; ++i) {
        const Tree tree = some_tree(random, 4);
        msgpack::sbuffer bytes;
        msgpack::packer<msgpack::sbuffer> out(bytes);
        std::visit(TheirWriter{out, random}, tree.is);
        const std::string_view written(bytes.data(), bytes.size());
        CAPTURE(hex(written));
        MsgpackReader in(written);
        Tree back;
        REQUIRE(read_tree(in, back));
        REQUIRE(in.at_end());
        REQUIRE(back == tree);
        MsgpackReader skipping(written);
        REQUIRE(skipping.skip());
        REQUIRE(skipping.at_end());
    }
}

TEST_CASE("msgpack: a number of msgpack-cxx is read as the double it is, be it written as a float or an integer") {
    SeededRandom random(20260103);
    for (int i = 0; i < 3000; ++i) {
        const auto value = std::bit_cast<float>(static_cast<std::uint32_t>(random.next()));
        if (std::isnan(value)) continue;  // a signalling one may become a quiet one on its way
        CAPTURE(value);
        msgpack::sbuffer bytes;
        msgpack::packer<msgpack::sbuffer> out(bytes);
        out.pack_float(value);
        out.pack_double(value);
        MsgpackReader in({bytes.data(), bytes.size()});
        double first = 0;
        double second = 0;
        REQUIRE(in.number(first));
        REQUIRE(in.number(second));
        REQUIRE(first == static_cast<double>(value));
        REQUIRE(second == first);
    }
}

TEST_CASE("msgpack: an extension of msgpack-cxx is skipped, not read") {
    for (const std::uint32_t size : {0U, 1U, 2U, 3U, 4U, 8U, 16U, 17U, 255U, 256U, 65535U, 65536U}) {
        CAPTURE(size);
        msgpack::sbuffer bytes;
        msgpack::packer<msgpack::sbuffer> out(bytes);
        const std::string body(size, 'x');
        out.pack_ext(size, 5);
        out.pack_ext_body(body.data(), size);
        out.pack_uint64(7);
        const std::string_view written(bytes.data(), bytes.size());
        Tree tree;
        MsgpackReader reading(written);
        CHECK_FALSE(read_tree(reading, tree));
        MsgpackReader in(written);
        std::uint64_t after = 0;
        CHECK(in.skip());
        CHECK(in.uinteger(after));
        CHECK(after == 7);
        CHECK(in.at_end());
    }
}

TEST_CASE("msgpack: we and msgpack-cxx agree on what is a value, but for our limit of nesting") {
    SeededRandom random(20260104);
    int values = 0;
    int refused = 0;
    int too_deep = 0;
    for (int i = 0; i < 40000; ++i) {
        const auto bytes = some_octets(random);
        CAPTURE(hex(bytes));
        const auto theirs = their_reading(bytes);
        MsgpackReader in(bytes);
        const bool ours = in.skip();
        if (theirs.whole && theirs.nesting >= MsgpackReader::kMaxDepth) {
            ++too_deep;
            REQUIRE_FALSE(ours);
            continue;
        }
        REQUIRE(ours == theirs.whole);
        if (ours) REQUIRE(in.used() == theirs.used);
        ++(ours ? values : refused);
    }
    CHECK(values > 1000);
    CHECK(refused > 1000);
    CHECK(too_deep > 10);
}
