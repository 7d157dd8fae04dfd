#include "core/runtime/run_memory.h"

#include <atomic>
#include <cstdlib>
#include <iterator>
#include <list>
#include <mutex>
#include <new>
#include <string>
#include <utility>

#include "core/base/clock.h"
#include "core/base/memory.h"
#include "core/base/pages.h"
#include "core/runtime/ort.h"

namespace sentinode {
namespace {

std::atomic<size_t> run_limit{SIZE_MAX};
std::atomic<size_t> output_limit{SIZE_MAX};
std::atomic<size_t> held_bytes{0};
std::atomic<uint64_t> next_run{1};
thread_local RunMemoryScope* current_run = nullptr;

// From here on blocks are whole pages: malloc would give them back to the system, or split them.
constexpr size_t kLarge = kLargePage;
// Pages that were touched are worth keeping: faulting new ones took as long as small networks run.
constexpr size_t kMostKept = size_t{512} << 20;
constexpr double kKeptMs = 10'000;

// Before each block.
struct alignas(kBatchAlignment) Header {
  size_t bytes;  // of the block with its header
  uint64_t run;  // that it was allocated in, 0 for none
  bool keep;
  Pages pages;  // where it is large
};
static_assert(sizeof(Header) == kBatchAlignment);

// Sizes that repeat exactly, so that blocks can be used again: eight to a doubling.
size_t RoundLarge(size_t bytes) {
  size_t unit = kLargePage;
  while (unit < bytes / 8) unit *= 2;
  return (bytes + unit - 1) / unit * unit;
}

// Large blocks that nobody uses. Any thread.
class KeptPages {
 public:
  Pages Take(size_t bytes) {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
      if (entry->pages.bytes() != bytes) continue;
      Pages pages = std::move(entry->pages);
      entries_.erase(entry);
      bytes_ -= bytes;
      return pages;
    }
    return {};
  }

  // What is too old or too much is unmapped after the lock is let go.
  void Give(Pages pages) {
    std::list<Entry> gone;
    const std::lock_guard<std::mutex> lock(mutex_);
    const double now = NowMs();
    bytes_ += pages.bytes();
    entries_.push_front({std::move(pages), now});
    while (!entries_.empty() && (bytes_ > kMostKept || entries_.back().since < now - kKeptMs)) {
      bytes_ -= entries_.back().pages.bytes();
      gone.splice(gone.begin(), entries_, std::prev(entries_.end()));
    }
  }

  size_t bytes() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return bytes_;
  }

 private:
  struct Entry {
    Pages pages;
    double since;
  };

  mutable std::mutex mutex_;
  std::list<Entry> entries_;  // the one given last first
  size_t bytes_ = 0;
};

// Leaked, as outputs may be let go while the process ends.
KeptPages& Kept() {
  static KeptPages* const kept = new KeptPages();
  return *kept;
}

void* NewBlock(size_t bytes, uint64_t run, bool keep) {
  if (bytes < kLarge) {
    void* const block = std::aligned_alloc(alignof(Header), bytes);
    return block == nullptr ? nullptr : new (block) Header{bytes, run, false, {}} + 1;
  }
  Pages pages = Kept().Take(bytes);
  if (pages.data() == nullptr) pages = Pages(bytes);
  if (pages.data() == nullptr) return nullptr;
  uint8_t* const begin = pages.data();
  return new (begin) Header{bytes, run, keep, std::move(pages)} + 1;
}

void FreeBlock(Header* header) {
  const bool keep = header->keep;
  Pages pages = std::move(header->pages);
  header->~Header();
  if (pages.data() == nullptr) return std::free(header);
  if (keep) Kept().Give(std::move(pages));
}

}  // namespace

void SetRunLimits(const RunLimits& limits) {
  run_limit = limits.run_bytes;
  output_limit = limits.output_bytes;
}

RunLimits CurrentRunLimits() { return {run_limit, output_limit}; }

RunMemoryStats CurrentRunMemory() { return {held_bytes, Kept().bytes()}; }

RunMemoryScope::RunMemoryScope(bool keep, size_t& refused)
    : limit_(run_limit), keep_(keep), id_(next_run++), refused_(refused) {
  current_run = this;
}

RunMemoryScope::~RunMemoryScope() { current_run = nullptr; }

Status RunTooLarge(size_t bytes) {
  const size_t limit = run_limit;
  if (bytes <= limit) return {"MEMORY_LIMIT", "the machine has no memory left for this run"};
  return {"MEMORY_LIMIT", "a run may hold " + std::to_string(limit) + " bytes, this one needs " +
                              std::to_string(bytes) + " or more"};
}

class RunAllocator : public OrtAllocator {
 public:
  RunAllocator() : OrtAllocator() {
    version = 21;
    OrtAllocator::Alloc = [](OrtAllocator*, size_t bytes) { return Allocate(bytes); };
    OrtAllocator::Reserve = [](OrtAllocator*, size_t bytes) { return Allocate(bytes); };
    OrtAllocator::Free = [](OrtAllocator*, void* block) { Release(block); };
    OrtAllocator::Info = [](const OrtAllocator* self) -> const OrtMemoryInfo* {
      return static_cast<const RunAllocator*>(self)->info_;
    };
  }

 private:
  // Throws std::bad_alloc, as ONNX Runtime's own allocators do: its kernels write to what they get
  // without looking at it, and Run turns the exception into a status. Only the thread that called
  // Run is counted, so nothing is refused on threads of a pool, which an exception would end.
  static void* Allocate(size_t size) {
    if (size == 0) return nullptr;
    if (size > SIZE_MAX / 4) throw std::bad_alloc();
    const size_t needed = size + sizeof(Header);
    const size_t bytes = needed < kLarge
                             ? (needed + alignof(Header) - 1) / alignof(Header) * alignof(Header)
                             : RoundLarge(needed);
    RunMemoryScope* const run = current_run;
    if (run != nullptr && bytes > run->limit_ - run->held_) {
      run->refused_ = run->held_ + size;
      throw std::bad_alloc();
    }
    void* const block =
        NewBlock(bytes, run == nullptr ? 0 : run->id_, run != nullptr && run->keep_);
    if (block == nullptr) {
      if (run != nullptr) run->refused_ = run->held_ + size;
      throw std::bad_alloc();
    }
    if (run != nullptr) run->held_ += bytes;
    held_bytes += bytes;
    return block;
  }

  static void Release(void* block) {
    if (block == nullptr) return;
    auto* const header = static_cast<Header*>(block) - 1;
    RunMemoryScope* const run = current_run;
    if (run != nullptr && run->id_ == header->run) run->held_ -= header->bytes;
    held_bytes -= header->bytes;
    FreeBlock(header);
  }

  Ort::MemoryInfo info_ = Ort::MemoryInfo::CreateCpu(OrtDeviceAllocator, OrtMemTypeDefault);
};

OrtAllocator* SharedRunAllocator() {
  static RunAllocator* const allocator = new RunAllocator();
  return allocator;
}

}  // namespace sentinode
