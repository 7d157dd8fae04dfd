#include "core/ops/arena.h"

#include <sys/mman.h>

#include <algorithm>
#include <numeric>
#include <string>

#include "core/base/memory.h"

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

Status Arena::Grow(size_t bytes) {
  if (bytes <= capacity_) return Status::Ok();
  Reset();
  MemoryAccount& account = MemoryAccount::Process();
  SENTINODE_RETURN_IF_ERROR(account.Reserve(MemoryKind::kPageable, bytes));
  void* data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) {
    account.Release(MemoryKind::kPageable, bytes);
    return {"MEMORY_LIMIT", "the machine has no " + std::to_string(bytes) +
                                " bytes left for the values of a 4D region"};
  }
  // They spare the processor most of its address translation; without them nothing changes.
  madvise(data, bytes, MADV_HUGEPAGE);
  data_ = static_cast<uint8_t*>(data);
  capacity_ = bytes;
  return Status::Ok();
}

void Arena::Reset() {
  if (data_ == nullptr) return;
  munmap(data_, capacity_);
  MemoryAccount::Process().Release(MemoryKind::kPageable, capacity_);
  data_ = nullptr;
  capacity_ = 0;
}

}  // namespace sentinode::ops
