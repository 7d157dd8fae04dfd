#include "core/ops/tiled_shape.h"

#include <algorithm>
#include <utility>

#include "core/ops/steps.h"

namespace sentinode::ops {
namespace {

constexpr int64_t kMostLastRows = 4;
// Of a region's border, from which on it goes past the cache: whoever reads it would not find it
// there anyway.
constexpr int64_t kStreamedBytes = int64_t{4} << 20;

// The largest block of channels that none of the groups straddles.
int64_t BlockChannels(int64_t channels, int64_t group_in, bool grouped) {
  if (channels == 1) return 1;
  if (!grouped) return channels <= 8 ? 8 : 16;
  return group_in % 16 == 0 || 16 % group_in == 0 ? 16 : 1;
}

// As many as fill a matrix tile, or half of one where there are no more.
int64_t MatrixBlockChannels(int64_t group_in) { return group_in > 16 ? 32 : 16; }

AxisWindow WindowAlong(const Window& w, size_t axis, int64_t in, int64_t out) {
  return {in, out, w.kernel[axis], w.strides[axis], w.dilations[axis], w.pads[axis]};
}

}  // namespace

TiledShape::TiledShape(const ConvProblem& problem, const ConvChoice& choice) {
  element = choice.products;
  DivideTimeAndDepth(problem, choice);
  Divide(problem, true);
}

TiledShape TiledShape::Exact(const ConvProblem& problem, const TiledShape& fast) {
  const Window& w = problem.step->window;
  TiledShape shape;
  shape.time = ExactAxis(WindowAlong(w, 0, problem.in.t, problem.out.t), kExactFrames);
  shape.depth = ExactAxis(WindowAlong(w, 1, problem.in.d, problem.out.d), fast.depth);
  ConvProblem read_alike = problem;
  read_alike.planar_in = fast.planar_in;
  shape.Divide(read_alike, false);
  shape.segment_rows = fast.segment_rows;
  return shape;
}

void TiledShape::Divide(const ConvProblem& problem, bool shared_vectors) {
  PairTiles();
  ChooseLayout(problem, shared_vectors);
  DivideColumns(problem);
  DivideRows(problem);
  PlaceMemory(problem);
}

void TiledShape::DivideTimeAndDepth(const ConvProblem& problem, const ConvChoice& choice) {
  const Window& w = problem.step->window;
  const AxisWindow in_time = WindowAlong(w, 0, problem.in.t, problem.out.t);
  const AxisWindow in_depth = WindowAlong(w, 1, problem.in.d, problem.out.d);
  const int64_t pooled = problem.pool == nullptr ? 1 : problem.pool->window.strides[1];
  time = choice.frames > 1 ? FastAxis(in_time, choice.frames, 1) : ExactAxis(in_time, kExactFrames);
  depth = choice.planes > 1 ? FastAxis(in_depth, choice.planes, pooled)
                            : ExactAxis(in_depth, RoundUp(kExactPlanes, pooled));
}

void TiledShape::PairTiles() {
  for (const AxisTile& t : time.tiles) {
    for (const AxisTile& d : depth.tiles) {
      const int frames = static_cast<int>(t.inputs.size());
      const int time_sums = static_cast<int>(t.sums.size());
      TilePair pair;
      if (depth.fast) {
        pair.prepare.push_back(Kronecker(IdentityMixture(frames), d.prepare));
        pair.finish.push_back(Kronecker(IdentityMixture(time_sums), d.finish));
      }
      if (time.fast || !depth.fast) {
        pair.prepare.push_back(Kronecker(t.prepare, IdentityMixture(d.prepare.rows())));
        pair.finish.push_back(Kronecker(t.finish, IdentityMixture(d.finish.rows())));
      }
      most_prepared_ = std::max<int64_t>(most_prepared_, t.prepare.rows() * d.prepare.rows());
      most_lines_ = std::max<int64_t>(most_lines_, frames * d.prepare.rows());
      most_sums_ = std::max<int64_t>(most_sums_, time_sums * t.finish.columns);
      most_sums_ = std::max<int64_t>(most_sums_, time_sums * static_cast<int>(d.sums.size()));
      most_halves_ = std::max<int64_t>(most_halves_, time_sums * d.finish.rows());
      most_outputs_ = std::max<int64_t>(most_outputs_, t.finish.rows() * d.finish.rows());
      pairs.push_back(std::move(pair));
    }
  }
}

void TiledShape::ChooseLayout(const ConvProblem& problem, bool shared_vectors) {
  const Window& w = problem.step->window;
  lanes = GetKernels().lanes;
  group_in = problem.in.c / problem.step->groups;
  group_out = problem.out.c / problem.step->groups;
  group_vectors = (group_out + lanes - 1) / lanes;
  vectors = problem.step->groups * group_vectors;
  kernel_rows = w.kernel[2];
  if (shared_vectors) ChooseLastRows(problem);
  slide = w.kernel[3] == 3 && w.strides[3] == 1 && w.dilations[3] == 1;
  streamed_out = problem.planar_out && GetKernels().stream_row != nullptr &&
                 problem.out.elements() * 4 >= kStreamedBytes;
  planar_in = problem.planar_in && w.strides[3] == 1 && element == Element::kFloat32;
  if (element == Element::kBfloat16) {
    matrix_tiles = GetKernels().begin_tiles != nullptr;
    block_channels = matrix_tiles ? MatrixBlockChannels(group_in) : 16;
    step = block_channels / 2;
    group_words = matrix_tiles ? RoundUp(group_in, block_channels) / 2 : (group_in + 1) / 2;
  } else {
    block_channels =
        planar_in ? 1 : BlockChannels(problem.in.c, group_in, problem.step->groups > 1);
    step = block_channels;
    group_words = group_in;
  }
  weight_slice = static_cast<size_t>(group_words * w.kernel[3] * lanes);
  vector_words = static_cast<size_t>(time.weight_count) * static_cast<size_t>(depth.weight_count) *
                 static_cast<size_t>(kernel_rows) * weight_slice;
}

// A row alone costs as many products as its kernel has rows, of which several share all but one
// each.
void TiledShape::ChooseLastRows(const ConvProblem& problem) {
  const Window& w = problem.step->window;
  const int64_t left = group_out - (group_vectors - 1) * lanes;
  const bool neighbours = w.strides[2] == 1 && w.dilations[2] == 1 && w.kernel[2] > 1;
  while (neighbours && 2 * last_rows * left <= lanes && 2 * last_rows <= kMostLastRows &&
         2 * last_rows <= problem.out.h) {
    last_rows *= 2;
  }
  kernel_rows = w.kernel[2] + last_rows - 1;
}

// Segments of rows, so that threads have something to divide among them: many small ones balance
// better, but prepare more rows twice.
void TiledShape::DivideRows(const ConvProblem& problem) {
  const int64_t rows = problem.out.h;
  const int64_t threads = problem.threads;
  const int64_t blocks = static_cast<int64_t>(depth.tiles.size() * columns.size());
  const double halo = static_cast<double>(Reach(problem.step->window, 2, 1) - 1);
  double best = 0;
  for (int64_t count = 1;; ++count) {
    const int64_t size = RoundUp((rows + count - 1) / count, group_rows);
    const int64_t items = blocks * ((rows + size - 1) / size);
    const double turns = static_cast<double>((items + threads - 1) / threads * threads);
    const double idle = (turns + (threads > 1 ? 0.5 * static_cast<double>(threads) : 0)) /
                        static_cast<double>(items);
    const double cost = idle * (1 + 0.1 * halo / static_cast<double>(size));
    if (segment_rows == 0 || cost < best) {
      best = cost;
      segment_rows = size;
    }
    if (size == group_rows || threads == 1) break;
  }
}

void TiledShape::PlaceMemory(const ConvProblem& problem) {
  const auto bytes = [](int64_t words) { return static_cast<size_t>(RoundUp(words * 4, 64)); };
  const int64_t row = sum_positions * lanes;
  line_offset = bytes(most_prepared_ * ring_rows * row_words);
  sums_offset = line_offset + bytes(most_lines_ * kRunVectors * lanes);
  half_offset = sums_offset + bytes(most_sums_ * group_rows * row);
  rows_offset = half_offset + bytes(most_halves_ * row);
  thread_bytes = rows_offset;
  if (problem.pool != nullptr) {
    thread_bytes += bytes(most_outputs_ * group_rows * problem.out.w * problem.out.c);
  } else if (problem.planar_out) {
    pending_offset = rows_offset + bytes(most_outputs_ * row);
    thread_bytes = pending_offset;
    if (streamed_out) thread_bytes += bytes(most_outputs_ * vectors * lanes * lanes);
  }
}

}  // namespace sentinode::ops
