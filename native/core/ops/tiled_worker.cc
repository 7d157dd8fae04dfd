#include "core/ops/tiled_worker.h"

#include <algorithm>
#include <cstring>

#include "core/ops/steps.h"

namespace sentinode::ops {
namespace {

// Between the largest values of what an output frame sees and of what it is mixed with.
constexpr float kMostContrast = 16;
// Sums of mixed inputs and weights stay far from float32's 3e38.
constexpr float kLargestMixed = 1e30f;

}  // namespace

TiledWorker::TiledWorker(const ConvProblem& problem, const TiledShape& shape, const float* weights,
                         const ConvForm::Buffers& buffers, uint8_t* workspace)
    : problem_(problem),
      shape_(shape),
      window_(problem.step->window),
      kernels_(GetKernels()),
      buffers_(buffers),
      weights_(weights),
      ring_(reinterpret_cast<float*>(workspace)),
      line_(reinterpret_cast<float*>(workspace + shape.line_offset)),
      sums_(reinterpret_cast<float*>(workspace + shape.sums_offset)),
      half_(reinterpret_cast<float*>(workspace + shape.half_offset)),
      rows_(workspace + shape.rows_offset),
      pending_(reinterpret_cast<float*>(workspace + shape.pending_offset)) {}

bool TiledWorker::ComputeBlock(size_t depth_tile, const Columns& columns, int64_t row_from,
                               int64_t row_end) {
  columns_ = &columns;
  row_from_ = row_from;
  row_end_ = row_end;
  if (shape_.matrix_tiles) kernels_.begin_tiles(columns.tiles[0].kernel.tile_rows);
  bool right = true;
  for (size_t i = 0; i < shape_.time.tiles.size(); ++i) {
    ComputeFrames(i, depth_tile);
    right = right && WithinRange();
  }
  if (shape_.matrix_tiles) kernels_.end_tiles();
  return right;
}

void TiledWorker::ComputeFrames(size_t time_tile, size_t depth_tile) {
  time_ = &shape_.time.tiles[time_tile];
  depth_ = &shape_.depth.tiles[depth_tile];
  pair_ = &shape_.pairs[time_tile * shape_.depth.tiles.size() + depth_tile];
  most_.assign(time_->inputs.size() * kWatchedLanes, 0);
  // What is prepared never touches the padding.
  std::memset(ring_, 0, shape_.line_offset);
  int64_t ready = INT64_MIN;  // input rows before this one are prepared
  for (group_from_ = row_from_; group_from_ < row_end_; group_from_ += group_rows_) {
    group_rows_ = std::min(shape_.group_rows, row_end_ - group_from_);
    const int64_t first = group_from_ * window_.strides[2] - window_.pads[2];
    const int64_t end = first + (group_rows_ - 1) * window_.strides[2] +
                        int64_t{window_.dilations[2]} * (window_.kernel[2] - 1) + 1;
    for (int64_t row = std::max({first, ready, int64_t{0}}); row < std::min(end, problem_.in.h);
         ++row) {
      PrepareRow(row);
      if (shape_.mixes()) WatchRow(row);
    }
    ready = end;
    for (int64_t vector = 0; vector < shape_.vectors; ++vector) {
      Multiply(vector);
      for (int64_t row = 0; row < group_rows_; ++row) FinishRow(row, vector);
    }
    if (problem_.pool != nullptr) PoolRows();
  }
}

// Floats from the ring's begin.
int64_t TiledWorker::PreparedRow(int64_t unit, int64_t row) const {
  return (unit * shape_.ring_rows + row % shape_.ring_rows) * shape_.row_words;
}

void TiledWorker::Mix(const Combine& task, const std::vector<Mixture>& stages, float* between,
                      int64_t area) {
  const auto apply = [this](Combine stage, const Mixture& mixture) {
    stage.ends = mixture.ends.data();
    stage.terms = mixture.terms.data();
    stage.rows = mixture.rows();
    kernels_.combine(stage);
  };
  if (stages.size() == 1) return apply(task, stages[0]);
  between_.clear();
  for (int i = 0; i < stages[0].rows(); ++i) between_.push_back(between + i * area);
  Combine first;
  first.in = task.in;
  first.in_from = task.in_from;
  first.in_step = task.in_step;
  first.in_element = task.in_element;
  first.out = between_.data();
  first.out_step = shape_.lanes;
  first.count = task.count;
  first.lanes = task.lanes;
  apply(first, stages[0]);
  Combine second = task;
  second.in = between_.data();
  second.in_from = 0;
  second.in_step = shape_.lanes;
  second.in_element = Element::kFloat32;
  apply(second, stages[1]);
}

void TiledWorker::PrepareRow(int64_t row) {
  const Volume& in = problem_.in;
  const bool planar = shape_.planar_in;
  inputs_.clear();
  for (const int64_t t : time_->inputs) {
    for (const int64_t d : depth_->inputs) {
      const int64_t position = ((t * in.d + d) * in.h + row) * in.w;
      inputs_.push_back(planar ? buffers_.planar_in + position
                               : MovedBy(buffers_.in, position * in.c, problem_.element));
    }
  }
  outputs_.clear();
  const int64_t units = int64_t{time_->prepare.rows()} * depth_->prepare.rows();
  for (int64_t unit = 0; unit < units; ++unit) outputs_.push_back(ring_ + PreparedRow(unit, row));
  Combine task;
  task.in = inputs_.data();
  task.out = outputs_.data();
  task.in_element = planar ? Element::kFloat32 : problem_.element;
  task.out_element = shape_.element;
  for (const RowRun& run : columns_->runs) {
    task.in_from = run.from;
    task.out_from = run.to;
    task.count = run.count;
    task.lanes = run.lanes;
    task.in_step = run.in_step;
    task.out_step = run.out_step;
    Mix(task, pair_->prepare, line_, static_cast<int64_t>(run.count) * shape_.lanes);
  }
}

// Of the row that PrepareRow has just read.
void TiledWorker::WatchRow(int64_t row) {
  const Volume& in = problem_.in;
  for (size_t t = 0; t < time_->inputs.size(); ++t) {
    for (const int64_t d : depth_->inputs) {
      const int64_t position = ((time_->inputs[t] * in.d + d) * in.h + row) * in.w;
      const auto watch = [&](const void* from, Element element, int64_t count) {
        kernels_.largest(from, element, static_cast<size_t>(count), &most_[t * kWatchedLanes]);
      };
      if (!shape_.planar_in) {
        watch(MovedBy(buffers_.in, position * in.c, problem_.element), problem_.element,
              in.w * in.c);
        continue;
      }
      for (int64_t c = 0; c < in.c; ++c) {
        watch(buffers_.planar_in + c * in.positions() + position, Element::kFloat32, in.w);
      }
    }
  }
}

float TiledWorker::Largest(size_t frame) const {
  const auto lanes = most_.begin() + static_cast<ptrdiff_t>(frame * kWatchedLanes);
  const int32_t bits = *std::max_element(lanes, lanes + kWatchedLanes);
  float largest;
  std::memcpy(&largest, &bits, sizeof largest);
  return largest;
}

// Rounding is a share of the largest value that is mixed. It must stay small beside what an output
// frame itself sees, and what is mixed must not overflow.
bool TiledWorker::WithinRange() const {
  if (!shape_.mixes()) return true;
  std::vector<float> largest;
  for (size_t t = 0; t < time_->inputs.size(); ++t) {
    largest.push_back(Largest(t));
    if (!(largest.back() <= kLargestMixed)) return false;
  }
  for (int64_t i = 0; shape_.time.fast && i < time_->finish.rows(); ++i) {
    const int64_t first = time_->from + i - window_.pads[0];
    float seen = -1;
    for (size_t t = 0; t < largest.size(); ++t) {
      const int64_t frame = time_->inputs[t];
      const bool sees = frame >= first && frame < first + window_.kernel[0];
      if (sees) seen = std::max(seen, largest[t]);
    }
    const float most = *std::max_element(largest.begin(), largest.end());
    if (seen >= 0 && seen * kMostContrast < most) return false;
  }
  return true;
}

// The prepared rows and the weights whose products make up a sum; returns how many.
int TiledWorker::GatherProducts(size_t time_sum, size_t depth_sum, int64_t row, int64_t vector) {
  const int64_t first = row * window_.strides[2] - window_.pads[2];
  const int64_t taps = window_.kernel[2] + shape_.rows_of(vector) - 1;
  sources_.clear();
  slices_.clear();
  for (const AxisTile::Product& t : time_->sums[time_sum]) {
    for (const AxisTile::Product& d : depth_->sums[depth_sum]) {
      const int64_t unit = int64_t{t.input} * depth_->prepare.rows() + d.input;
      const int64_t weight =
          (vector * shape_.time.weight_count + t.weight) * shape_.depth.weight_count + d.weight;
      for (int64_t tap = 0; tap < taps; ++tap) {
        const int64_t input = first + tap * window_.dilations[2];
        if (input < 0 || input >= problem_.in.h) continue;
        sources_.push_back(ring_ + PreparedRow(unit, input));
        slices_.push_back(weights_ + (weight * shape_.kernel_rows + tap) *
                                         static_cast<int64_t>(shape_.weight_slice));
      }
    }
  }
  return static_cast<int>(sources_.size());
}

void TiledWorker::Multiply(int64_t vector) {
  const int64_t channel = vector / shape_.group_vectors * shape_.group_in;
  const int64_t in_block = channel % shape_.block_channels * shape_.step / shape_.block_channels;
  const int64_t source = channel / shape_.block_channels * shape_.block_words + in_block;
  const int64_t area = shape_.sum_positions * shape_.lanes;
  ProductTile tile;
  tile.channels = static_cast<int>(shape_.group_words);
  tile.block_step = shape_.block_words;
  tile.taps = window_.kernel[3];
  tile.tap_offsets = shape_.tap_offsets.data();
  float* sums = sums_;
  for (size_t t = 0; t < time_->sums.size(); ++t) {
    for (size_t d = 0; d < depth_->sums.size(); ++d) {
      for (int64_t row = 0; row < group_rows_; row += shape_.rows_of(vector)) {
        tile.rows = GatherProducts(t, d, group_from_ + row, vector);
        tile.sources = sources_.data();
        tile.weights = slices_.data();
        for (const Columns::Tile& part : columns_->tiles) {
          tile.source_from = source + part.from * shape_.step;
          tile.out = sums + row * area + part.from * shape_.lanes;
          tile.tile_rows = part.kernel.tile_rows;
          part.kernel.run(tile);
        }
      }
      sums += shape_.group_rows * area;
    }
  }
}

}  // namespace sentinode::ops
