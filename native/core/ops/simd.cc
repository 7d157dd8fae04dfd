#include "core/ops/simd.h"

#include <cstring>

// A tile of NarrowTile keeps kWidth sums in registers and leaves a few for weights and inputs.
namespace sentinode::ops {
namespace portable {
constexpr size_t kLanes = 4;
constexpr int kWidth = 12;
#include "core/ops/simd_kernels.inl"
constexpr Kernels kKernels = MakeKernels("portable");
}  // namespace portable

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define SENTINODE_MULTIVERSION 1

#pragma GCC push_options
#pragma GCC target("avx2,fma")
namespace avx2 {
constexpr size_t kLanes = 8;
constexpr int kWidth = 12;
#include "core/ops/simd_kernels.inl"
constexpr Kernels kKernels = MakeKernels("avx2");
}  // namespace avx2
#pragma GCC pop_options

#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,prefer-vector-width=512")
namespace avx512 {
constexpr size_t kLanes = 16;
constexpr int kWidth = 28;
#include "core/ops/simd_kernels.inl"
constexpr Kernels kKernels = MakeKernels("avx512");
}  // namespace avx512
#pragma GCC pop_options
#endif

const Kernels* KernelsAt(int index) {
  const Kernels* available[4] = {};
  int count = 0;
#ifdef SENTINODE_MULTIVERSION
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
    available[count++] = &avx512::kKernels;
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    available[count++] = &avx2::kKernels;
  }
#endif
  available[count++] = &portable::kKernels;
  return index < count ? available[index] : nullptr;
}

const Kernels& GetKernels() {
  static const Kernels* const kernels = KernelsAt(0);
  return *kernels;
}

}  // namespace sentinode::ops
