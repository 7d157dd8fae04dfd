// Memory straight from the system, which goes back to it at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

namespace sentinode {

inline constexpr size_t kLargePage = size_t{2} << 20;

// Zeroed pages, readable and writable, large ones where there are as many: a page fault costs up
// to ten microseconds on a virtual machine, so that small pages made the first run of a size take
// twice as long as the next. Not for several threads at once.
class Pages {
 public:
  Pages() = default;
  // At least `bytes` bytes; `data()` is null where the system has none left.
  explicit Pages(size_t bytes);
  ~Pages();
  Pages(Pages&& other) noexcept { *this = std::move(other); }
  Pages& operator=(Pages&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }

  uint8_t* data() const { return data_; }
  size_t bytes() const { return bytes_; }

 private:
  uint8_t* data_ = nullptr;
  size_t bytes_ = 0;
};

// Asks for large pages under memory that somebody else has mapped, as far as it holds whole ones.
// What has been touched before stays as it is for a while; what has not comes a large page at a
// time.
void PreferLargePages(void* data, size_t bytes);

}  // namespace sentinode
