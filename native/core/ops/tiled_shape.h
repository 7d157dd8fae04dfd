// How the tiled form divides a convolution, and where everything lies in a thread's workspace.
//
// A block is one tile in depth by some rows and columns of the output, for all frames. Going down
// its rows, a thread prepares the input rows that come into reach (padded, mixed along depth and
// time, a row of every prepared frame and plane), multiplies, and mixes the sums into output rows.
// Only the rows in reach are kept, in a ring that stays in the second-level cache.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/ops/axis_tiles.h"
#include "core/ops/conv.h"

namespace sentinode::ops {

// What one tile in time and one in depth together make of inputs and of sums, in one or two stages.
struct TilePair {
  std::vector<Mixture> prepare;  // [frame][plane] to [prepared frame][prepared plane]
  std::vector<Mixture> finish;   // [sum in time][sum in depth] to [frame][plane]
};

// A part of an input row that one Combine prepares: vectors of neighbouring channels or positions.
struct RowRun {
  int64_t from = 0;  // elements from the row's first position
  int64_t to = 0;    // elements of a prepared row
  size_t count = 0;
  size_t lanes = 0;
  int64_t in_step = 0;
  int64_t out_step = 0;
};

// Output columns [from, from + width) and how they are computed.
struct Columns {
  struct Tile {
    int64_t from = 0;  // of the columns
    ProductKernel kernel;
  };
  int64_t from = 0;
  int64_t width = 0;
  std::vector<Tile> tiles;
  std::vector<RowRun> runs;
};

// Outputs of an exact tile: frames or planes whose inputs are prepared together.
inline constexpr int64_t kExactFrames = 6;
inline constexpr int64_t kExactPlanes = 4;
// Vectors of a run: what is mixed together stays in the first-level cache.
inline constexpr int64_t kRunVectors = 16;
// Windows of a pool that is applied to blocks.
inline constexpr int kMostPooledPlanes = 6;
inline constexpr int kMostPooledRows = 8;

inline int64_t RoundUp(int64_t value, int64_t unit) { return (value + unit - 1) / unit * unit; }

// Rows of input under `rows` rows of output.
inline int64_t Reach(const Window& w, size_t axis, int64_t rows) {
  return (rows - 1) * w.strides[axis] + int64_t{w.dilations[axis]} * (w.kernel[axis] - 1) + 1;
}

struct TiledShape {
  TiledShape(const ConvProblem& problem, const ConvChoice& choice);
  // The same blocks tap by tap in float32, where every output sees its own inputs and no other.
  static TiledShape Exact(const ConvProblem& problem, const TiledShape& fast);

  Axis time;
  Axis depth;
  std::vector<TilePair> pairs;  // [time][depth]
  std::vector<Columns> columns;

  // Output channels of a group are taken in vectors. What is left for the last one may fill no more
  // than half of it: then it holds those channels of several neighbouring rows, for which the
  // kernel is taken to be higher, with zeros where a row's own window ends.
  int64_t lanes = 0;
  int64_t group_in = 0;
  int64_t group_out = 0;
  int64_t group_vectors = 0;
  int64_t vectors = 0;      // of all groups
  int64_t last_rows = 1;    // output rows of a group's last vector
  int64_t kernel_rows = 1;  // of the kernel, as high as any vector takes it

  // A prepared row: [block of channels][phase][position][channel of the block], where positions of
  // one phase are a stride apart. Elements are what is multiplied, words are floats or pairs of
  // bfloat16.
  Element element = Element::kFloat32;
  bool planar_in = false;
  bool streamed_out = false;  // past the cache, to a region's border
  bool slide = false;
  int64_t block_channels = 1;
  int64_t step = 1;  // words from a position to the next
  int64_t phase_positions = 0;
  int64_t block_words = 0;
  int64_t row_words = 0;
  std::vector<ptrdiff_t> tap_offsets;  // along W, in words
  int64_t group_words = 0;             // words of a group's channels at one position
  bool matrix_tiles = false;           // multiplied in them

  int64_t segment_rows = 0;   // output rows of a block
  int64_t group_rows = 0;     // of which so many are multiplied together
  int64_t ring_rows = 0;      // prepared rows in reach of those
  int64_t sum_positions = 0;  // room for a row of sums

  size_t weight_slice = 0;  // words of the weights that one prepared row meets
  size_t vector_words = 0;  // of the weights of one vector of output channels

  // A thread's workspace, in bytes: the ring is first.
  size_t line_offset = 0;  // inputs mixed along depth
  size_t sums_offset = 0;
  size_t half_offset = 0;     // sums mixed along depth
  size_t rows_offset = 0;     // output rows that are not written in place
  size_t pending_offset = 0;  // lines of a streamed border that are not full
  size_t thread_bytes = 0;

  // Output rows that a vector holds, the channels of one after those of another.
  int64_t rows_of(int64_t vector) const {
    return vector % group_vectors == group_vectors - 1 ? last_rows : 1;
  }
  // Whether outputs are computed from inputs that they do not see, multiplied by zero in the end:
  // by Toom-Cook, or with rows that share a vector. What is no number would reach them.
  bool mixes() const { return time.fast || depth.fast || last_rows > 1; }
  int64_t segments(int64_t rows) const { return (rows + segment_rows - 1) / segment_rows; }

 private:
  TiledShape() = default;
  void Divide(const ConvProblem& problem, bool shared_vectors);
  void PairTiles();
  void ChooseLayout(const ConvProblem& problem, bool shared_vectors);
  void ChooseLastRows(const ConvProblem& problem);
  void DivideTimeAndDepth(const ConvProblem& problem, const ConvChoice& choice);
  void DivideColumns(const ConvProblem& problem);
  void DivideRows(const ConvProblem& problem);
  void PlaceMemory(const ConvProblem& problem);
  Columns MakeColumns(const ConvProblem& problem, int64_t from, int64_t width) const;
  std::vector<RowRun> MakeRuns(const ConvProblem& problem, int64_t from) const;

  // The most that a tile in time and one in depth have together.
  int64_t most_prepared_ = 0;
  int64_t most_lines_ = 0;
  int64_t most_sums_ = 0;
  int64_t most_halves_ = 0;
  int64_t most_outputs_ = 0;
};

}  // namespace sentinode::ops
