#include "core/ops/arena.h"

#include <algorithm>
#include <numeric>

namespace sentinode::ops {

ArenaPlan PlanArena(const std::vector<Lifetime>& buffers) {
  const auto rounded = [&buffers](size_t i) {
    return (buffers[i].bytes + kArenaAlignment - 1) / kArenaAlignment * kArenaAlignment;
  };
  std::vector<size_t> order(buffers.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return buffers[a].bytes > buffers[b].bytes; });

  ArenaPlan plan;
  plan.offsets.assign(buffers.size(), 0);
  std::vector<size_t> placed;  // by offset
  for (const size_t index : order) {
    const Lifetime& buffer = buffers[index];
    size_t offset = 0;
    for (const size_t other : placed) {
      if (buffers[other].last < buffer.first || buffer.last < buffers[other].first) continue;
      if (offset + rounded(index) <= plan.offsets[other]) break;
      offset = std::max(offset, plan.offsets[other] + rounded(other));
    }
    plan.offsets[index] = offset;
    plan.bytes = std::max(plan.bytes, offset + rounded(index));
    const auto position = std::find_if(placed.begin(), placed.end(),
                                       [&](size_t other) { return plan.offsets[other] > offset; });
    placed.insert(position, index);
  }
  return plan;
}

}  // namespace sentinode::ops
