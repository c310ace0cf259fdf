// MessagePack, as much of it as our own records and frames need: nil, booleans, integers, doubles, strings, binary,
// arrays, maps. The reader copies nothing, allocates nothing and trusts nothing: it may be fed from a file that any
// local user wrote. Extension types are skipped, never read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace posthorn::base {

class MsgpackWriter {
public:
    void nil() { out_ += '\xC0'; }
    void boolean(bool value) { out_ += value ? '\xC3' : '\xC2'; }
    void integer(std::int64_t value);
    void uinteger(std::uint64_t value);
    void number(double value);
    void str(std::string_view text);
    void bin(std::string_view bytes);
    void array(std::size_t count);  // `count` values follow
    void map(std::size_t count);    // `count` pairs of key and value follow

    const std::string& bytes() const { return out_; }
    std::string take() { return std::move(out_); }

private:
    void fixed(char tag, std::uint64_t value, std::size_t octets);
    void length(std::size_t size, char tag8, char tag16, char tag32);

    std::string out_;
};

// Each call reads one value if it has that type; otherwise, or past the end, it returns false and the reader stays
// failed. Views point into the bytes it was made from.
class MsgpackReader {
public:
    explicit MsgpackReader(std::string_view bytes) : rest_(bytes), size_(bytes.size()) {}

    bool nil();
    bool boolean(bool& value);
    bool integer(std::int64_t& value);
    bool uinteger(std::uint64_t& value);  // false for a negative one
    bool number(double& value);           // an integer too
    bool str(std::string_view& text);
    bool str(std::string& text);
    bool bin(std::string_view& bytes);
    // A count larger than the bytes that are left could hold is refused, so it may bound a loop.
    bool array(std::size_t& count);
    bool map(std::size_t& count);
    bool skip();  // one value of any type with all it holds; nesting deeper than kMaxDepth is refused

    bool failed() const { return failed_; }
    bool at_end() const { return rest_.empty(); }
    std::size_t used() const { return size_ - rest_.size(); }

    // The first octet of the next value, for a choice by type (0xC1, never used, at the end).
    enum class Type { nil, boolean, integer, number, str, bin, array, map, other };
    Type peek() const;

    static constexpr int kMaxDepth = 32;

private:
    bool fail();
    bool tag(unsigned char& value);
    bool fixed(std::size_t octets, std::uint64_t& value);
    bool take(std::size_t size, std::string_view& bytes);
    bool skip_one(std::uint64_t& values);

    std::string_view rest_;
    std::size_t size_;
    bool failed_ = false;
};

}  // namespace posthorn::base
