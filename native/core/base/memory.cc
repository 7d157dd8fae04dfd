#include "core/base/memory.h"

#include <cstdlib>
#include <string>
#include <utility>

#include "core/base/pages.h"

namespace sentinode {
namespace {

class HeapAllocator final : public Allocator {
 public:
  MemoryKind kind() const override { return MemoryKind::kPageable; }

  void* Allocate(size_t bytes) override {
    const bool large = bytes >= kLargePage / 2;
    const size_t unit = large ? kLargePage : kBatchAlignment;
    const size_t rounded = (bytes + unit - 1) / unit * unit;
    if (rounded < bytes) return nullptr;
    void* block = std::aligned_alloc(unit, rounded);
    // Faults of small pages took longer than to gather a batch into them.
    if (large && block != nullptr) PreferLargePages(block, rounded);
    return block;
  }

  void Free(void* block) override { std::free(block); }
};

}  // namespace

const std::shared_ptr<Allocator>& PageableAllocator() {
  static const std::shared_ptr<Allocator> allocator = std::make_shared<HeapAllocator>();
  return allocator;
}

MemoryAccount& MemoryAccount::Process() {
  static MemoryAccount account;
  return account;
}

Status MemoryAccount::Reserve(MemoryKind kind, size_t bytes) {
  std::lock_guard<std::mutex> lock(mutex_);
  const size_t used = stats_.pinned_bytes + stats_.pageable_bytes;
  if (used > stats_.limit_bytes || bytes > stats_.limit_bytes - used) {
    return {"MEMORY_LIMIT", "batch memory is capped at " + std::to_string(stats_.limit_bytes) +
                                " bytes; " + std::to_string(used) + " are in use and " +
                                std::to_string(bytes) + " more are needed"};
  }
  (kind == MemoryKind::kPinned ? stats_.pinned_bytes : stats_.pageable_bytes) += bytes;
  return Status::Ok();
}

void MemoryAccount::Release(MemoryKind kind, size_t bytes) {
  std::lock_guard<std::mutex> lock(mutex_);
  (kind == MemoryKind::kPinned ? stats_.pinned_bytes : stats_.pageable_bytes) -= bytes;
}

void MemoryAccount::SetLimit(size_t bytes) {
  std::lock_guard<std::mutex> lock(mutex_);
  stats_.limit_bytes = bytes;
}

MemoryAccount::Stats MemoryAccount::stats() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return stats_;
}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  if (this != &other) {
    Reset();
    allocator_ = std::move(other.allocator_);
    data_ = std::exchange(other.data_, nullptr);
    capacity_ = std::exchange(other.capacity_, 0);
  }
  return *this;
}

Status Buffer::Grow(std::shared_ptr<Allocator> allocator, size_t bytes) {
  if (bytes <= capacity_) return Status::Ok();
  Reset();
  SENTINODE_RETURN_IF_ERROR(MemoryAccount::Process().Reserve(allocator->kind(), bytes));
  void* block = allocator->Allocate(bytes);
  if (block == nullptr) {
    MemoryAccount::Process().Release(allocator->kind(), bytes);
    return {"MEMORY_LIMIT",
            "the machine has no " + std::to_string(bytes) + " bytes left for a batch"};
  }
  allocator_ = std::move(allocator);
  data_ = static_cast<uint8_t*>(block);
  capacity_ = bytes;
  return Status::Ok();
}

void Buffer::Reset() {
  if (data_ == nullptr) return;
  allocator_->Free(data_);
  MemoryAccount::Process().Release(allocator_->kind(), capacity_);
  allocator_.reset();
  data_ = nullptr;
  capacity_ = 0;
}

}  // namespace sentinode
