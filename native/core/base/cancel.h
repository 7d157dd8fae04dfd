// Cancelling a run. ONNX Runtime's SetTerminate acts between nodes only, so operators of ours that
// run long poll the flag of the instance whose thread they run on (Compute runs on the thread that
// calls Run).
#pragma once

#include <atomic>

namespace sentinode {

// Set by the instance's thread around a run; null outside one.
inline thread_local const std::atomic<bool>* current_cancel_flag = nullptr;

inline bool CancelRequested() {
  return current_cancel_flag != nullptr && current_cancel_flag->load(std::memory_order_relaxed);
}

class CancelScope {
 public:
  explicit CancelScope(const std::atomic<bool>* flag) : before_(current_cancel_flag) {
    current_cancel_flag = flag;
  }
  ~CancelScope() { current_cancel_flag = before_; }
  CancelScope(const CancelScope&) = delete;
  CancelScope& operator=(const CancelScope&) = delete;

 private:
  const std::atomic<bool>* const before_;
};

}  // namespace sentinode
