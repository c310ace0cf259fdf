// A list that nearly always has one element: that one stands in the list itself, only more go to the heap. For what
// is kept of each queued message, of which there may be a million. Moves only.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

namespace posthorn::delivery {

template <class T>
class OneOrMany {
public:
    OneOrMany() noexcept {}
    OneOrMany(OneOrMany&& other) noexcept { take(other); }
    OneOrMany& operator=(OneOrMany&& other) noexcept {
        if (this == &other) return *this;
        drop();
        take(other);
        return *this;
    }
    ~OneOrMany() { drop(); }

    T* data() { return capacity_ == 1 ? &one_ : many_; }
    const T* data() const { return capacity_ == 1 ? &one_ : many_; }
    std::size_t size() const { return size_; }
    bool empty() const { return size_ == 0; }
    T* begin() { return data(); }
    T* end() { return data() + size_; }
    const T* begin() const { return data(); }
    const T* end() const { return data() + size_; }
    T& operator[](std::size_t i) { return data()[i]; }
    const T& operator[](std::size_t i) const { return data()[i]; }

    void push_back(T value) {
        if (size_ == capacity_) grow();
        std::construct_at(data() + size_, std::move(value));
        ++size_;
    }
    void erase(T* at) {
        std::move(at + 1, end(), at);
        std::destroy_at(end() - 1);
        --size_;
    }
    template <class F>
    void erase_if(F&& unwanted) {
        T* keep = begin();
        for (T* at = begin(); at != end(); ++at) {
            if (unwanted(std::as_const(*at))) continue;
            if (keep != at) *keep = std::move(*at);
            ++keep;
        }
        std::destroy(keep, end());
        size_ = static_cast<std::uint32_t>(keep - begin());
    }

private:
    void grow() {
        const std::uint32_t wider = capacity_ * 2;
        T* const room = std::allocator<T>().allocate(wider);
        std::uninitialized_move(begin(), end(), room);
        const std::uint32_t size = size_;
        drop();
        many_ = room;
        capacity_ = wider;
        size_ = size;
    }
    // Leaves an empty list.
    void drop() {
        std::destroy(begin(), end());
        if (capacity_ > 1) std::allocator<T>().deallocate(many_, capacity_);
        size_ = 0;
        capacity_ = 1;
    }
    // Of an empty list.
    void take(OneOrMany& other) {
        if (other.capacity_ == 1) {
            std::uninitialized_move(other.begin(), other.end(), &one_);
            size_ = other.size_;
            other.drop();
        } else {
            many_ = other.many_;
            size_ = std::exchange(other.size_, 0);
            capacity_ = std::exchange(other.capacity_, 1);
        }
    }

    std::uint32_t size_ = 0;
    std::uint32_t capacity_ = 1;  // 1: in place
    union {
        T one_;
        T* many_;
    };
};

}  // namespace posthorn::delivery
