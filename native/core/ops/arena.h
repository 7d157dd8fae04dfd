// The memory that a program's values lie in, and where in it they lie: buffers that are not alive
// at the same time share memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/base/pages.h"
#include "core/base/status.h"

namespace sentinode::ops {

// A buffer that is written first in step `first` and read last in step `last`.
struct Lifetime {
  size_t bytes = 0;
  int first = 0;
  int last = 0;
};

struct ArenaPlan {
  std::vector<size_t> offsets;  // per buffer, multiples of kArenaAlignment
  size_t bytes = 0;
};

inline constexpr size_t kArenaAlignment = 4096;

// Greedy by size, largest first, each at the lowest offset that is free during its life.
ArenaPlan PlanArena(const std::vector<Lifetime>& buffers);

// Pages that count in the process's account of memory. Not for several threads at once.
class Arena {
 public:
  Arena() = default;
  ~Arena() { Reset(); }
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // Makes room for `bytes` bytes; what is in it may be lost. Fails with MEMORY_LIMIT.
  Status Grow(size_t bytes);

  uint8_t* data() const { return pages_.data(); }
  size_t capacity() const { return capacity_; }

 private:
  void Reset();

  Pages pages_;
  size_t capacity_ = 0;
};

}  // namespace sentinode::ops
