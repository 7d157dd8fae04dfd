// The bodies of simd.h, included once per instruction set by simd.cc, each time in a namespace of
// its own with kLanes (floats of a vector), kSlideWidth and kPlainWidth (vectors that a tile of a
// convolution sums up in) defined before. Everything here must be compiled anew each time: no calls
// into inline functions of headers.

#define SENTINODE_INLINE inline __attribute__((always_inline))

#include "core/ops/simd/vector.inl"

// Keeps a value in a register: else the compiler reads it from memory for every use, and there are
// no more reads in a cycle than products.
#if defined(__x86_64__)
#define SENTINODE_IN_REGISTER(v) asm("" : "+v"(v))
#else
#define SENTINODE_IN_REGISTER(v)
#endif

#include "core/ops/simd/combine.inl"
#include "core/ops/simd/elementwise.inl"
#include "core/ops/simd/layout.inl"
#include "core/ops/simd/product.inl"
#include "core/ops/simd/window.inl"

constexpr Kernels MakeKernels(const char* name) {
  return Kernels{name,           static_cast<int>(kLanes),
                 CombineKernel,  FindProduct,
                 MaxPoolRow,     AveragePoolRow,
                 DepthwiseRow,   ScaleShiftKernel,
                 MultiplyKernel, ChannelSums,
                 ChannelMax,     Interleave,
                 Deinterleave,   Convert};
}

#undef SENTINODE_INLINE
#undef SENTINODE_IN_REGISTER
