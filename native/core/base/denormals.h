// Denormal numbers cost a processor a hundred times what others do (microcode), so that a request
// made of them ran 12 to 29 times as long as any other. Threads that compute treat them as zero.
#pragma once

#include <cstdint>

#if defined(__SSE__)
#include <xmmintrin.h>
#endif

namespace sentinode {

// Flush to zero, and denormals are zero, on the calling thread until the end of the scope; then
// they are as they were before, for threads that are not ours (libuv's, JavaScript's). Threads that
// are started within the scope begin with its setting (POSIX, pthread_create). Nothing on
// processors other than x86-64 and AArch64.
class FlushDenormals {
 public:
  FlushDenormals() : before_(Control()) { SetControl(before_ | kFlush); }
  // Status flags that were raised meanwhile stay.
  ~FlushDenormals() { SetControl((Control() & ~kFlush) | (before_ & kFlush)); }
  FlushDenormals(const FlushDenormals&) = delete;
  FlushDenormals& operator=(const FlushDenormals&) = delete;

  // Whether the calling thread treats denormals as zero.
  static bool Active() { return kFlush != 0 && (Control() & kFlush) == kFlush; }

 private:
#if defined(__SSE__)
  // MXCSR: FTZ, DAZ (Intel SDM volume 1, 10.2.3).
  static constexpr uint64_t kFlush = 0x8000 | 0x0040;
  static uint64_t Control() { return _mm_getcsr(); }
  static void SetControl(uint64_t control) { _mm_setcsr(static_cast<unsigned>(control)); }
#elif defined(__aarch64__)
  // FPCR: FZ, for inputs and outputs (Arm ARM, C5.2.8).
  static constexpr uint64_t kFlush = uint64_t{1} << 24;
  static uint64_t Control() {
    uint64_t control;
    asm volatile("mrs %0, fpcr" : "=r"(control));
    return control;
  }
  static void SetControl(uint64_t control) { asm volatile("msr fpcr, %0" : : "r"(control)); }
#else
  static constexpr uint64_t kFlush = 0;
  static uint64_t Control() { return 0; }
  static void SetControl(uint64_t) {}
#endif

  const uint64_t before_;
};

}  // namespace sentinode
