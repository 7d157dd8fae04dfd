#include "core/base/pages.h"

#include <sys/mman.h>

#include <algorithm>

namespace sentinode {
namespace {

constexpr size_t kPage = size_t{4} << 10;

size_t RoundUp(size_t bytes, size_t unit) { return (bytes + unit - 1) / unit * unit; }

}  // namespace

Pages::Pages(size_t bytes) {
  const bool large = bytes >= kLargePage / 8;
  const size_t unit = large ? kLargePage : kPage;
  bytes = RoundUp(std::max(bytes, size_t{1}), unit);
  // Mapped with room to spare, which is given back, so that it begins where a large page may.
  const size_t mapped = bytes + unit - kPage;
  void* all = mmap(nullptr, mapped, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (all == MAP_FAILED) return;
  auto* const begin = static_cast<uint8_t*>(all);
  const size_t before = (unit - reinterpret_cast<uintptr_t>(begin) % unit) % unit;
  if (before > 0) munmap(begin, before);
  const size_t after = mapped - before - bytes;
  if (after > 0) munmap(begin + before + bytes, after);
  data_ = begin + before;
  bytes_ = bytes;
  if (large) PreferLargePages(data_, bytes_);
}

Pages::~Pages() {
  if (data_ != nullptr) munmap(data_, bytes_);
}

void PreferLargePages(void* data, size_t bytes) {
  const auto address = reinterpret_cast<uintptr_t>(data);
  const uintptr_t begin = RoundUp(address, kLargePage);
  const uintptr_t end = (address + bytes) / kLargePage * kLargePage;
  if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
}

}  // namespace sentinode
