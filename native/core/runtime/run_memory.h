// The memory of ONNX Runtime's runs on the CPU: counted, bounded for each run, kept for the next
// one.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/base/status.h"

struct OrtAllocator;

namespace sentinode {

// Bounds of what a run and a request may take, for the process; any thread.
struct RunLimits {
  // Bytes that the operators and outputs of one run may hold at once. What regions of our own
  // operators compute in counts towards MemoryAccount instead.
  size_t run_bytes = SIZE_MAX;
  // Bytes of one request's outputs.
  size_t output_bytes = SIZE_MAX;
};
void SetRunLimits(const RunLimits& limits);
RunLimits CurrentRunLimits();

struct RunMemoryStats {
  size_t held_bytes = 0;  // by weights, runs, and outputs that somebody still reads
  size_t kept_bytes = 0;  // for the next run
};
RunMemoryStats CurrentRunMemory();

// Whatever ONNX Runtime allocates on this thread until the end of the scope is one run's. Beyond
// its limit an allocation fails and the run with it; other runs are not concerned.
class RunMemoryScope {
 public:
  // `keep`: whether large blocks stay for later runs; if not, they go back to the system at once.
  // `refused` is set to the bytes that the run would have held where an allocation fails.
  RunMemoryScope(bool keep, size_t& refused);
  ~RunMemoryScope();
  RunMemoryScope(const RunMemoryScope&) = delete;
  RunMemoryScope& operator=(const RunMemoryScope&) = delete;

 private:
  friend class RunAllocator;
  const size_t limit_;
  const bool keep_;
  const uint64_t id_;
  size_t held_ = 0;
  size_t& refused_;
};

// MEMORY_LIMIT, for a run that would have held `bytes` bytes.
Status RunTooLarge(size_t bytes);

// For every session of the process, in place of ONNX Runtime's arena. Lives as long as the process.
// ONNX Runtime's API must be initialised.
OrtAllocator* SharedRunAllocator();

}  // namespace sentinode
