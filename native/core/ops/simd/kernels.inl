// The bodies of simd.h, included once per instruction set by simd.cc, each time in a namespace of
// its own with kLanes (floats of a vector), kSlideWidth and kPlainWidth (vectors that a tile of a
// convolution sums up in) defined before. Everything here must be compiled anew each time: no calls
// into inline functions of headers.

#define SENTINODE_INLINE inline __attribute__((always_inline))

#include "core/ops/simd/vector.inl"
// Builds on vectors, so not in the order of the alphabet.
#include "core/ops/simd/activation.inl"

// Reads a number into all lanes of a register. Left to itself the compiler reads it anew for every
// use, and there are no more reads in a cycle than products; or reads so many ahead that sums go to
// the stack.
#if defined(__AVX__)
#define SENTINODE_SPREAD(number, v) asm("vbroadcastss %1, %0" : "=v"(v) : "m"(number))
#else
#define SENTINODE_SPREAD(number, v) Spread(number, v)
#endif
#if defined(__GNUC__)
#define SENTINODE_UNKNOWN(value) asm("" : "+r"(value))
#else
#define SENTINODE_UNKNOWN(value)
#endif

#include "core/ops/simd/combine.inl"
#include "core/ops/simd/elementwise.inl"
#include "core/ops/simd/layout.inl"
#include "core/ops/simd/stream.inl"
#ifdef SENTINODE_MATRIX_TILES
#include "core/ops/simd/product_tiles.inl"
#endif
#include "core/ops/simd/product.inl"
#include "core/ops/simd/window.inl"

constexpr Kernels MakeKernels(const char* name) {
  Kernels kernels{};
  kernels.name = name;
  kernels.lanes = static_cast<int>(kLanes);
  kernels.combine = CombineKernel;
  kernels.product = FindProduct;
  kernels.max_pool_row = MaxPoolRow;
  kernels.average_pool_row = AveragePoolRow;
  kernels.depthwise_row = DepthwiseRow;
  kernels.scale_shift = ScaleShiftKernel;
  kernels.pair = PairKernel;
  kernels.spread = SpreadKernel;
  kernels.blend = BlendKernel;
  kernels.channel_norm = ChannelNormKernel;
  kernels.channel_sums = ChannelSums;
  kernels.channel_max = ChannelMax;
  kernels.largest = Largest;
  kernels.interleave = Interleave;
  kernels.deinterleave = Deinterleave;
  kernels.convert = Convert;
#ifdef SENTINODE_MASKS
  kernels.stream_row = StreamRowKernel;
#endif
#ifdef SENTINODE_MATRIX_TILES
  kernels.begin_tiles = BeginTiles;
  kernels.end_tiles = EndTiles;
#endif
  return kernels;
}

#undef SENTINODE_INLINE
#undef SENTINODE_SPREAD
#undef SENTINODE_UNKNOWN
