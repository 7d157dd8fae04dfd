#include "core/ops/simd.h"

#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

// Sums of a tile stay in registers: kSlideWidth leaves four for weights and inputs, kPlainWidth
// two.
namespace sentinode::ops {
namespace portable {
constexpr size_t kLanes = 4;
constexpr int kSlideWidth = 10;
constexpr int kPlainWidth = 12;
#include "core/ops/simd/kernels.inl"
constexpr Kernels kKernels = MakeKernels("portable");
}  // namespace portable

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define SENTINODE_MULTIVERSION 1

#pragma GCC push_options
#pragma GCC target("avx2,fma")
namespace avx2 {
constexpr size_t kLanes = 8;
constexpr int kSlideWidth = 12;
constexpr int kPlainWidth = 12;
#include "core/ops/simd/kernels.inl"
constexpr Kernels kKernels = MakeKernels("avx2");
}  // namespace avx2
#pragma GCC pop_options

#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,prefer-vector-width=512")
namespace avx512 {
#define SENTINODE_MASKS
constexpr size_t kLanes = 16;
constexpr int kSlideWidth = 26;
constexpr int kPlainWidth = 28;
#include "core/ops/simd/kernels.inl"
constexpr Kernels kKernels = MakeKernels("avx512");
}  // namespace avx512
#pragma GCC pop_options

#pragma GCC push_options
#pragma GCC target("avx512bf16,avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,prefer-vector-width=512")
namespace avx512_bf16 {
#define SENTINODE_BFLOAT16_PAIRS
constexpr size_t kLanes = 16;
constexpr int kSlideWidth = 26;
constexpr int kPlainWidth = 28;
#include "core/ops/simd/kernels.inl"
constexpr Kernels kKernels = MakeKernels("avx512_bf16");
#undef SENTINODE_BFLOAT16_PAIRS
#undef SENTINODE_MASKS
}  // namespace avx512_bf16
#pragma GCC pop_options
#endif

const Kernels* KernelsAt(int index) {
  const Kernels* available[5] = {};
  int count = 0;
#ifdef SENTINODE_MULTIVERSION
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
    if (__builtin_cpu_supports("avx512bf16")) available[count++] = &avx512_bf16::kKernels;
    available[count++] = &avx512::kKernels;
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    available[count++] = &avx2::kKernels;
  }
#endif
  available[count++] = &portable::kKernels;
  return index < count ? available[index] : nullptr;
}

void CombineRow(const Kernels& kernels, Combine task, size_t length) {
  const size_t lanes = static_cast<size_t>(kernels.lanes);
  const size_t whole = length / lanes;
  task.rows = 1;
  task.in_step = task.out_step = kernels.lanes;
  task.count = whole;
  task.lanes = lanes;
  if (whole > 0) kernels.combine(task);
  if (whole * lanes == length) return;
  task.in_from = task.out_from = static_cast<ptrdiff_t>(whole * lanes);
  task.count = 1;
  task.lanes = length - whole * lanes;
  kernels.combine(task);
}

const Kernels& GetKernels() {
  static const Kernels* const kernels = KernelsAt(0);
  return *kernels;
}

}  // namespace sentinode::ops
