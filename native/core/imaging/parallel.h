#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "core/base/cancel.h"
#include "core/base/denormals.h"

namespace sentinode::imaging {

// Calls body(index) for every index below `count`, on `threads` threads of which the caller is one.
// Indices are handed out one by one, so uneven work balances. Stops early when the run is cancelled
// and then returns false. `body` must not throw.
template <typename Body>
bool ParallelFor(int64_t count, int threads, const Body& body) {
  std::atomic<int64_t> next{0};
  const std::atomic<bool>* cancel = current_cancel_flag;
  const auto work = [&] {
    const FlushDenormals flush;
    for (;;) {
      const int64_t index = next.fetch_add(1, std::memory_order_relaxed);
      if (index >= count || CancelRequested()) return;
      body(index);
    }
  };
  std::vector<std::thread> helpers;
  const int64_t wanted = std::min<int64_t>(threads, count) - 1;
  for (int64_t i = 0; i < wanted; ++i) {
    try {
      helpers.emplace_back([&] {
        CancelScope scope(cancel);
        work();
      });
    } catch (...) {
      break;  // a machine out of threads is slower, not wrong
    }
  }
  work();
  for (std::thread& helper : helpers) helper.join();
  return !CancelRequested();
}

}  // namespace sentinode::imaging
