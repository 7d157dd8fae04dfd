// Memory for batches: who allocates it, and how much of it there may be in this process.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>

#include "core/base/status.h"

namespace sentinode {

enum class MemoryKind { kPageable, kPinned };

// Gives and takes back blocks; every method may be called on any thread.
class Allocator {
 public:
  virtual ~Allocator() = default;
  virtual MemoryKind kind() const = 0;
  // At least `bytes` bytes (> 0), aligned to kBatchAlignment; null where there are none to have.
  virtual void* Allocate(size_t bytes) = 0;
  virtual void Free(void* block) = 0;
};

// A cache line, and the width of an AVX-512 register.
inline constexpr size_t kBatchAlignment = 64;

// The C++ heap. Lives as long as the process.
const std::shared_ptr<Allocator>& PageableAllocator();

// Bytes in use by batch slots, by kind, under one cap for the process.
class MemoryAccount {
 public:
  struct Stats {
    size_t pinned_bytes = 0;
    size_t pageable_bytes = 0;
    size_t limit_bytes = 0;
  };

  static MemoryAccount& Process();

  // Counts `bytes`, or fails with MEMORY_LIMIT and counts nothing.
  Status Reserve(MemoryKind kind, size_t bytes);
  void Release(MemoryKind kind, size_t bytes);
  // What is over a lowered limit stays; only growth is refused.
  void SetLimit(size_t bytes);
  Stats stats() const;

 private:
  mutable std::mutex mutex_;
  Stats stats_{0, 0, SIZE_MAX};
};

// A block that counts towards the process's account for as long as it is held. Not copyable; not
// for several threads at once.
class Buffer {
 public:
  Buffer() = default;
  ~Buffer() { Reset(); }
  Buffer(Buffer&& other) noexcept { *this = std::move(other); }
  Buffer& operator=(Buffer&& other) noexcept;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  // Makes room for `bytes` bytes; the contents are lost where the block has to grow. On failure
  // (MEMORY_LIMIT) the buffer is empty.
  Status Grow(std::shared_ptr<Allocator> allocator, size_t bytes);
  void Reset();

  uint8_t* data() const { return data_; }
  size_t capacity() const { return capacity_; }

 private:
  std::shared_ptr<Allocator> allocator_;
  uint8_t* data_ = nullptr;
  size_t capacity_ = 0;
};

}  // namespace sentinode
