// Where the values of a program lie: buffers that are not alive at the same time share memory.
#pragma once

#include <cstddef>
#include <vector>

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

}  // namespace sentinode::ops
