// The inner loops that are ours, compiled for several instruction sets and chosen when the process
// starts: AVX-512, AVX2 with FMA, and what every processor of the architecture has. None of them
// allocates, locks or starts threads.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/ops/plan.h"

namespace sentinode::ops {

enum class Element : uint8_t { kFloat32, kBfloat16 };

constexpr size_t ElementSize(Element element) { return element == Element::kFloat32 ? 4 : 2; }

// The tail that cyclic per-channel arrays repeat from their beginning, so that a vector may be read
// at any channel.
inline constexpr size_t kCyclicTail = 64;

// Most rows or columns of a Combine matrix.
inline constexpr int kMaxCombine = 32;

// out[r][i] = activation(sum over c of matrix[r * cols + c] * in[c][i] + bias[(phase + i) %
// channels]
// + residual[r][i]), i < length.
struct Combine {
  const void* const* in = nullptr;  // cols pointers
  void* const* out = nullptr;  // rows pointers, none of which is read again before it is written
  const float* matrix = nullptr;
  int cols = 0;
  int rows = 0;
  size_t length = 0;
  Element in_element = Element::kFloat32;
  Element out_element = Element::kFloat32;
  // The epilogue; all of it may be absent.
  const float* bias = nullptr;  // channels + kCyclicTail numbers
  size_t channels = 1;
  size_t phase = 0;
  const void* const* residual = nullptr;  // rows pointers of out_element
  Activation activation;
};

// One tile of a convolution with few input channels: out[w][lane] for neighbouring output positions
// and one vector of output channels, summed over terms (an input frame with the weights of one tap
// or one product) and over the taps of depth, height and width. Neighbouring positions must be
// neighbours in memory: that keeps the addresses constant, and the loop as fast as the processor
// multiplies.
struct NarrowTile {
  const float* const* sources = nullptr;  // per term: the input row under the first taps of D and H
  const float* const* weights = nullptr;  // per term: [kd][kh][row tap][lanes]
  int terms = 0;
  int kernel_d = 1;
  int kernel_h = 1;
  int row_taps = 1;                      // taps along W, times channels
  const int32_t* tap_offsets = nullptr;  // per row tap: floats from the row to position 0's input
  ptrdiff_t step_d = 0;                  // floats between rows of neighbouring taps
  ptrdiff_t step_h = 0;
  float* out = nullptr;
  size_t out_stride = 0;  // floats between out[w] and out[w + 1]
};

// One row (along W) of a pool or of a depthwise convolution.
struct WindowRow {
  const void* const* rows = nullptr;      // input rows under the window, those outside left out
  const float* const* weights = nullptr;  // depthwise: per row, [kw][channels]
  int row_count = 0;
  void* out = nullptr;
  Element element = Element::kFloat32;  // of input and output
  size_t channels = 0;
  int64_t in_width = 0;
  int64_t out_width = 0;
  int kernel = 1;
  int stride = 1;
  int dilation = 1;
  int pad = 0;
  // Average pool: positions per window along the other axes, and whether padding along W counts
  // (then only up to padded_width).
  int64_t others = 1;
  bool count_padding = false;
  int64_t padded_width = 0;
  // Depthwise: the epilogue.
  const float* bias = nullptr;
  const void* residual = nullptr;  // a row like out
  Activation activation;
};

// out[i] = activation(in[i] * scale[(phase + i) % channels] + shift[...]).
struct ScaleShift {
  const void* in = nullptr;
  void* out = nullptr;
  Element element = Element::kFloat32;
  const float* scale = nullptr;  // channels + kCyclicTail numbers, as is shift
  const float* shift = nullptr;
  size_t channels = 1;
  size_t phase = 0;
  size_t length = 0;
  Activation activation;
};

struct Kernels {
  const char* name;
  int lanes;         // floats of a vector
  int narrow_width;  // widest NarrowTile
  void (*combine)(const Combine&);
  void (*narrow_tile)(const NarrowTile&, int width);  // 1 <= width <= narrow_width
  void (*max_pool_row)(const WindowRow&);
  void (*average_pool_row)(const WindowRow&);
  void (*depthwise_row)(const WindowRow&);
  void (*scale_shift)(const ScaleShift&);
  // out[i] = activation(a[i] * b[i]).
  void (*multiply)(const void* a, const void* b, void* out, Element element, size_t length,
                   const Activation& activation);
  // sums[c] = sum over positions of (x - centre[c]) to the power 1 or 2; at most 4096 positions.
  void (*channel_sums)(const void* in, Element element, size_t positions, size_t channels,
                       const float* centre, int power, float* sums);
  // best[c] = max(best[c], x) over positions.
  void (*channel_max)(const void* in, Element element, size_t positions, size_t channels,
                      float* best);
  // Planar [c][stride] to channels-last [position][c] and back, for a range of positions.
  void (*interleave)(const float* in, size_t plane, size_t channels, void* out, Element element,
                     size_t positions);
  void (*deinterleave)(const void* in, Element element, size_t channels, float* out, size_t plane,
                       size_t positions);
  void (*convert)(const float* in, void* out, Element element, size_t length);
};

// For this processor; the same for the life of the process.
const Kernels& GetKernels();
// By instruction set, best first, ending with the portable one; null after the last that this
// processor runs. For tests.
const Kernels* KernelsAt(int index);

}  // namespace sentinode::ops
