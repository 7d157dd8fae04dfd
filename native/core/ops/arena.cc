#include "core/ops/arena.h"

#include <algorithm>
#include <numeric>
#include <string>
#include <utility>

#include "core/base/memory.h"

namespace sentinode::ops {
namespace {

constexpr size_t kGrowth = 8;

}  // namespace

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

// Address space is taken with room to grow: pages that were used stay, and those beyond cost
// nothing until they are.
Status Arena::Grow(size_t bytes) {
  if (bytes <= capacity_) return Status::Ok();
  MemoryAccount& account = MemoryAccount::Process();
  if (bytes > pages_.bytes()) Reset();
  SENTINODE_RETURN_IF_ERROR(account.Reserve(MemoryKind::kPageable, bytes - capacity_));
  capacity_ = bytes;
  if (pages_.data() == nullptr) pages_ = Pages(kGrowth * bytes);
  if (pages_.data() == nullptr) pages_ = Pages(bytes);
  if (pages_.data() != nullptr) return Status::Ok();
  Reset();
  return {"MEMORY_LIMIT", "the machine has no " + std::to_string(bytes) +
                              " bytes left for the values of a 4D region"};
}

void Arena::Reset() {
  pages_ = Pages();
  MemoryAccount::Process().Release(MemoryKind::kPageable, std::exchange(capacity_, 0));
}

}  // namespace sentinode::ops
