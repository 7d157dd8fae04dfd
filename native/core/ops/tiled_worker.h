// One thread at work on the blocks of a tiled convolution.
#pragma once

#include <cstdint>
#include <vector>

#include "core/ops/conv.h"
#include "core/ops/tiled_shape.h"

namespace sentinode::ops {

class TiledWorker {
 public:
  // All must outlive the worker; `workspace` has the shape's thread_bytes.
  TiledWorker(const ConvProblem& problem, const TiledShape& shape, const float* weights,
              const ConvForm::Buffers& buffers, uint8_t* workspace);

  // Output rows [row_from, row_end) of a tile in depth and of some columns, for all frames. Returns
  // whether they are right: false where the shape mixes() inputs that are out of its range, so that
  // outputs which do not see them would suffer.
  bool ComputeBlock(size_t depth_tile, const Columns& columns, int64_t row_from, int64_t row_end);

 private:
  void ComputeFrames(size_t time_tile, size_t depth_tile);
  void PrepareRow(int64_t row);
  void WatchRow(int64_t row);
  bool WithinRange() const;
  float Largest(size_t frame) const;
  void Multiply(int64_t vector);
  int GatherProducts(size_t time_sum, size_t depth_sum, int64_t row, int64_t vector);
  void FinishRow(int64_t row, int64_t vector);  // and what follows: tiled_outputs.cc
  void PlaceOutputs(int64_t row, int64_t channel);
  void TurnRow(int64_t row, int64_t vector, int64_t channel, int64_t channels) const;
  void PoolRows() const;
  // Applies one stage or two; the first of two goes to `between`, arrays of `area` floats.
  void Mix(const Combine& task, const std::vector<Mixture>& stages, float* between, int64_t area);
  int64_t PreparedRow(int64_t unit, int64_t row) const;

  const ConvProblem& problem_;
  const TiledShape& shape_;
  const Window& window_;
  const Kernels& kernels_;
  const ConvForm::Buffers& buffers_;
  const float* const weights_;
  // The workspace.
  float* const ring_;
  float* const line_;
  float* const sums_;
  float* const half_;
  uint8_t* const rows_;
  float* const pending_;
  // The block.
  const Columns* columns_ = nullptr;
  const AxisTile* time_ = nullptr;
  const AxisTile* depth_ = nullptr;
  const TilePair* pair_ = nullptr;
  int64_t row_from_ = 0;
  int64_t row_end_ = 0;
  // Its output rows that are multiplied together.
  int64_t group_from_ = 0;
  int64_t group_rows_ = 0;
  // Lists that are filled anew for each row.
  std::vector<const void*> inputs_;
  // Of each input frame of the tile in time, the largest values so far: see Kernels::largest.
  std::vector<int32_t> most_;
  std::vector<void*> between_;
  std::vector<void*> outputs_;
  std::vector<const void*> residuals_;
  std::vector<const void*> sources_;
  std::vector<const void*> slices_;
};

}  // namespace sentinode::ops
