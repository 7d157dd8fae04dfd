#include "core/ops/simd.h"

#include <cstring>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

// Sums of a tile stay in registers: kSlideWidth leaves at least four for weights and inputs,
// kPlainWidth two.
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
constexpr int kSlideWidth = 10;
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
}  // namespace avx512_bf16
#pragma GCC pop_options

#pragma GCC push_options
#pragma GCC target( \
    "amx-tile,amx-bf16,avx512bf16,avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,prefer-vector-width=512")
namespace amx {
#define SENTINODE_MATRIX_TILES
constexpr size_t kLanes = 16;
constexpr int kSlideWidth = 26;
constexpr int kPlainWidth = 28;
#include "core/ops/simd/kernels.inl"
constexpr Kernels kKernels = MakeKernels("amx");
#undef SENTINODE_MATRIX_TILES
#undef SENTINODE_BFLOAT16_PAIRS
#undef SENTINODE_MASKS
}  // namespace amx
#pragma GCC pop_options

namespace {

// Whether the processor has matrix tiles for bfloat16 and the system lets this process use them:
// Linux keeps their large state from who does not ask (Documentation/arch/x86/xstate.rst).
bool HasMatrixTiles() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return false;
  constexpr unsigned kBfloat16Bit = 1u << 22;
  constexpr unsigned kTilesBit = 1u << 24;
  if ((d & kBfloat16Bit) == 0 || (d & kTilesBit) == 0) return false;
#if defined(__linux__)
  constexpr long kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM
  constexpr long kTileData = 18;               // XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}

}  // namespace
#endif

const Kernels* KernelsAt(int index) {
  const Kernels* available[6] = {};
  int count = 0;
#ifdef SENTINODE_MULTIVERSION
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
    if (__builtin_cpu_supports("avx512bf16")) {
      static const bool matrix_tiles = HasMatrixTiles();
      if (matrix_tiles) available[count++] = &amx::kKernels;
      available[count++] = &avx512_bf16::kKernels;
    }
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

void FinishStreams() {
#if defined(__x86_64__)
  _mm_sfence();
#endif
}

const Kernels& GetKernels() {
  static const Kernels* const kernels = KernelsAt(0);
  return *kernels;
}

}  // namespace sentinode::ops
