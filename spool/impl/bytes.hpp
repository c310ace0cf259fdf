// Little-endian numbers and varints, out and in. For the log's own binary forms.
#pragma once

#include <bit>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace posthorn::spool {

static_assert(std::endian::native == std::endian::little, "the log's numbers are copied as they stand");

template <std::integral T>
void put(std::string& out, T value) {
    char bytes[sizeof(T)];
    std::memcpy(bytes, &value, sizeof(T));
    out.append(bytes, sizeof(T));
}

inline void put_varint(std::string& out, std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) out += static_cast<char>(0x80 | (value & 0x7F));
    out += static_cast<char>(value);
}

inline std::uint64_t zigzag(std::int64_t n) {
    return (static_cast<std::uint64_t>(n) << 1) ^ static_cast<std::uint64_t>(n >> 63);
}
inline std::int64_t unzigzag(std::uint64_t n) {
    return static_cast<std::int64_t>(n >> 1) ^ -static_cast<std::int64_t>(n & 1);
}

// Reads from the front; after the first read past the end everything is zero and failed() is true.
class ByteReader {
public:
    explicit ByteReader(std::string_view bytes) : rest_(bytes), size_(bytes.size()) {}

    template <std::integral T>
    T get() {
        T value{};
        const auto bytes = take(sizeof(T));
        if (!bytes.empty()) std::memcpy(&value, bytes.data(), sizeof(T));
        return value;
    }
    std::uint64_t varint() {
        std::uint64_t value = 0;
        for (int shift = 0; shift < 64; shift += 7) {
            const auto octet = get<std::uint8_t>();
            value |= std::uint64_t{octet & 0x7FU} << shift;
            if (octet < 0x80) return value;
        }
        failed_ = true;
        return 0;
    }
    std::string_view take(std::size_t size) {
        if (failed_ || rest_.size() < size) {
            failed_ = true;
            return {};
        }
        const auto bytes = rest_.substr(0, size);
        rest_.remove_prefix(size);
        return bytes;
    }
    bool failed() const { return failed_; }
    bool at_end() const { return rest_.empty(); }
    std::size_t used() const { return size_ - rest_.size(); }
    std::string_view rest() const { return rest_; }

private:
    std::string_view rest_;
    std::size_t size_;
    bool failed_ = false;
};

}  // namespace posthorn::spool
