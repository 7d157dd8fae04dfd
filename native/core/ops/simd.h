// The inner loops that are ours, compiled for several instruction sets and chosen when the process
// starts: AVX-512 with AMX or bfloat16 or alone, AVX2 with FMA, and what every processor of the
// architecture has. None of them allocates, locks or starts threads.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/ops/plan.h"

namespace sentinode::ops {

enum class Element : uint8_t { kFloat32, kBfloat16 };

constexpr size_t ElementSize(Element element) { return element == Element::kFloat32 ? 4 : 2; }

inline const void* MovedBy(const void* data, int64_t elements, Element element) {
  return static_cast<const uint8_t*>(data) + elements * static_cast<int64_t>(ElementSize(element));
}
inline void* MovedBy(void* data, int64_t elements, Element element) {
  return static_cast<uint8_t*>(data) + elements * static_cast<int64_t>(ElementSize(element));
}

// The tail that cyclic per-channel arrays repeat from their beginning, so that a vector may be read
// at any channel.
inline constexpr size_t kCyclicTail = 64;

// One summand: how much of which array.
struct CombineTerm {
  int array = 0;
  float factor = 0;
};
inline constexpr int kMaxCombineTerms = 10;

// Sums of arrays: out[r] = activation(bias + residual[r] + sum over r's terms of factor *
// in[array]), where an array is `count` vectors of `lanes` elements each.
struct Combine {
  const void* const* in = nullptr;
  void* const* out = nullptr;  // rows pointers, none of which is read again before it is written
  const int* ends = nullptr;   // rows numbers: where among the terms each row's end
  const CombineTerm* terms = nullptr;
  int rows = 0;
  size_t count = 0;
  size_t lanes = 0;  // 1 to Kernels::lanes
  // Elements from an array's begin to its first vector, and from a vector to the next.
  ptrdiff_t in_from = 0;
  ptrdiff_t in_step = 0;
  ptrdiff_t out_from = 0;
  ptrdiff_t out_step = 0;
  Element in_element = Element::kFloat32;
  Element out_element = Element::kFloat32;
  // The epilogue; all of it may be absent.
  const float* bias = nullptr;            // lanes numbers
  const void* const* residual = nullptr;  // rows pointers to first vectors
  ptrdiff_t residual_step = 0;
  Element residual_element = Element::kFloat32;
  Activation activation;
};

// One tile of a convolution: out[position][lane] for neighbouring output positions and one vector
// of output channels, summed over `rows` pairs of an input row and the weights that it meets.
// What is multiplied are words: floats, or pairs of bfloat16 channels.
struct ProductTile {
  const void* const* sources = nullptr;  // per row: `source_from` words before the one that lies
                                         // under position 0 and the first tap
  ptrdiff_t source_from = 0;
  const void* const* weights = nullptr;  // per row: [channel][tap][lanes], words; for matrix tiles
                                         // [block][tap][word of the block][lanes]
  int rows = 0;
  int channels = 0;                        // words of an input position
  ptrdiff_t block_step = 0;                // words between blocks of `step` channels
  int taps = 0;                            // along W; unless sliding:
  const ptrdiff_t* tap_offsets = nullptr;  // per tap: words from the first one's input
  float* out = nullptr;
  int tile_rows = 0;  // the kernel's
};

// Computes `width` positions, whose inputs are `step` words apart.
struct ProductKernel {
  void (*run)(const ProductTile&);
  int width;
  int tile_rows;  // positions of a matrix tile, where the kernel runs on those; else 0
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

// out[i] = activation(a[i] op b[i]); `kind` is one that IsPair().
struct Pair {
  StepKind kind = StepKind::kAdd;
  const void* a = nullptr;
  const void* b = nullptr;
  void* out = nullptr;
  Element element = Element::kFloat32;
  size_t length = 0;
  Activation activation;  // no prelu
};

// A row resized along W: out[p] = in[low[p]] * (1 - share[p]) + in[high[p]] * share[p], where a
// position holds `channels` numbers.
struct Blend {
  const float* in = nullptr;
  const int32_t* low = nullptr;
  const int32_t* high = nullptr;
  const float* share = nullptr;
  void* out = nullptr;
  Element element = Element::kFloat32;  // of the output
  size_t positions = 0;
  size_t channels = 0;
};

// Each position normalised over its channels: (x - mean) / sqrt(variance + epsilon) * scale +
// shift, without the mean and about zero where not `centred`.
struct ChannelNorm {
  const void* in = nullptr;
  void* out = nullptr;  // may be `in`
  Element element = Element::kFloat32;
  size_t positions = 0;
  size_t channels = 0;
  const float* scale = nullptr;  // Cyclic, as is shift
  const float* shift = nullptr;
  float epsilon = 0;
  bool centred = true;
  Activation activation;  // no prelu
};

// Channels-last positions on their way to a planar border past the cache, which need not read the
// lines that it writes. Only whole lines go that way, and rows do not end with one: what is left of
// a row is kept until the next, which has to lie directly behind it.
struct StreamRow {
  const float* in = nullptr;  // [positions][Kernels::lanes]
  size_t positions = 0;
  size_t channels = 0;       // 1 to Kernels::lanes
  float* out = nullptr;      // of the first channel
  size_t plane = 0;          // floats from a channel to the next
  size_t before = 0;         // positions of earlier rows, up to this one
  bool last = false;         // no row follows
  float* pending = nullptr;  // [channels][Kernels::lanes], the same for all rows
};

inline constexpr size_t kWatchedLanes = 16;  // at least Kernels::lanes

struct Kernels {
  const char* name;
  int lanes;  // floats of a vector
  void (*combine)(const Combine&);
  // The narrowest kernel for `width` positions, or the widest there is. `step` is 1, 8 or 16 (8 in
  // bfloat16, or 16 in matrix tiles). `slide`: three taps along W, at neighbouring positions. Null
  // where this processor does not multiply the element.
  ProductKernel (*product)(Element element, int step, bool slide, int width);
  void (*max_pool_row)(const WindowRow&);
  void (*average_pool_row)(const WindowRow&);
  void (*depthwise_row)(const WindowRow&);
  void (*scale_shift)(const ScaleShift&);
  void (*pair)(const Pair&);
  // out[p][c] = in[p].
  void (*spread)(const void* in, void* out, Element element, size_t positions, size_t channels);
  void (*blend)(const Blend&);
  void (*channel_norm)(const ChannelNorm&);
  // sums[c] = sum over positions of (x - centre[c]) to the power 1 or 2; at most 4096 positions.
  void (*channel_sums)(const void* in, Element element, size_t positions, size_t channels,
                       const float* centre, int power, float* sums);
  // best[c] = max(best[c], x) over positions.
  void (*channel_max)(const void* in, Element element, size_t positions, size_t channels,
                      float* best);
  // The largest |in[i]| of each lane and of what `most` (kWatchedLanes numbers) held before, as the
  // bits of floats, which order like numbers: infinity's or above where one is not finite.
  void (*largest)(const void* in, Element element, size_t length, int32_t* most);
  // Planar [c][plane] to channels-last [position][c] and back, from [position][stride], for a range
  // of positions.
  void (*interleave)(const float* in, size_t plane, size_t channels, void* out, Element element,
                     size_t positions);
  void (*deinterleave)(const void* in, size_t stride, Element element, size_t channels, float* out,
                       size_t plane, size_t positions);
  void (*convert)(const float* in, void* out, Element element, size_t length);
  // FinishStreams() has to follow. Null where a vector is no cache line.
  void (*stream_row)(const StreamRow&);
  // Where bfloat16 is multiplied in matrix tiles: sets this thread's up for kernels of `rows`
  // positions a tile, and frees them. Null elsewhere.
  void (*begin_tiles)(int rows);
  void (*end_tiles)();
};

// `task` without its sizes, in one row of `length` contiguous elements. Without a bias or residual.
void CombineRow(const Kernels& kernels, Combine task, size_t length);

// Orders this thread's streamed writes before what it writes next.
void FinishStreams();

// For this processor; the same for the life of the process.
const Kernels& GetKernels();
// By instruction set, best first, ending with the portable one; null after the last that this
// processor runs. For tests.
const Kernels* KernelsAt(int index);

}  // namespace sentinode::ops
