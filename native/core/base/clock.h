// Milliseconds of CLOCK_MONOTONIC, the clock behind Node's process.hrtime.
#pragma once

#include <chrono>

namespace sentinode {

inline double NowMs() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double, std::milli>(now).count();
}

}  // namespace sentinode
