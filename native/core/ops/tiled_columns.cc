// How wide a thread takes the rows of a block, and how it prepares their parts.
#include <algorithm>
#include <numeric>

#include "core/ops/tiled_shape.h"

namespace sentinode::ops {
namespace {

// Positions that are multiplied before the weights are exchanged for the next ones.
constexpr int64_t kGroupPositions = 48;
// Of the second-level cache, which holds sums and a few weights besides.
constexpr int64_t kRingBytes = int64_t{576} << 10;
constexpr int64_t kNarrowestColumns = 16;

}  // namespace

// Columns as wide as the ring allows, and in them tiles as wide as registers allow.
void TiledShape::DivideColumns(const ConvProblem& problem) {
  const Window& w = problem.step->window;
  const int64_t pooled = problem.pool == nullptr ? 1 : problem.pool->window.strides[2];
  const int64_t multiple = std::lcm(pooled, last_rows);
  for (int64_t pieces = 1;; ++pieces) {
    const int64_t width = (problem.out.w + pieces - 1) / pieces;
    group_rows = std::max<int64_t>(1, (kGroupPositions + width / 2) / width);
    group_rows = RoundUp(std::min(group_rows, problem.out.h), multiple);
    ring_rows = Reach(w, 2, group_rows);
    const int64_t kernel_width =
        RoundUp(width, 4) + 4;  // no kernel computes more positions beyond its columns
    sum_positions = kernel_width;
    phase_positions = (Reach(w, 3, kernel_width) + w.strides[3] - 1) / w.strides[3];
    block_words = w.strides[3] * phase_positions * step;
    const int64_t blocks = (problem.in.c + block_channels - 1) / block_channels;
    // An odd number of cache lines, so that rows do not compete for the same places in the cache.
    row_words = RoundUp(blocks * block_words, 16) / 16 * 16;
    if (row_words / 16 % 2 == 0) row_words += 16;
    const bool fits = most_prepared_ * ring_rows * row_words * 4 <= kRingBytes;
    if (!fits && width > kNarrowestColumns && problem.pool == nullptr) continue;
    tap_offsets.clear();
    for (int tap = 0; tap < w.kernel[3]; ++tap) {
      const int64_t at = int64_t{tap} * w.dilations[3];
      tap_offsets.push_back((at % w.strides[3] * phase_positions + at / w.strides[3]) * step);
    }
    for (int64_t from = 0; from < problem.out.w; from += width) {
      columns.push_back(MakeColumns(problem, from, std::min(width, problem.out.w - from)));
    }
    return;
  }
}

Columns TiledShape::MakeColumns(const ConvProblem& problem, int64_t from, int64_t width) const {
  const auto kernel = [this](int64_t positions) {
    return GetKernels().product(element, static_cast<int>(step), slide,
                                static_cast<int>(positions));
  };
  Columns result;
  result.from = from;
  result.width = width;
  result.runs = MakeRuns(problem, from);
  const int64_t pieces = (width + kernel(width).width - 1) / kernel(width).width;
  for (int64_t piece = 0; piece < pieces; ++piece) {
    const int64_t begin = width * piece / pieces;
    const int64_t end = width * (piece + 1) / pieces;
    // All matrix tiles of the columns have the same size: a thread's are set up once for them.
    const int64_t positions = matrix_tiles ? (width + pieces - 1) / pieces : end - begin;
    result.tiles.push_back({begin, kernel(positions)});
  }
  return result;
}

std::vector<RowRun> TiledShape::MakeRuns(const ConvProblem& problem, int64_t from) const {
  const Window& w = problem.step->window;
  const Volume& in = problem.in;
  const int64_t stride = w.strides[3];
  const int64_t start = from * stride - w.pads[3];
  const int64_t first = std::clamp<int64_t>(start, 0, in.w);
  const int64_t end = std::clamp<int64_t>(start + phase_positions * stride, first, in.w);
  const int64_t block = stride * phase_positions * block_channels;
  std::vector<RowRun> runs;
  const auto add = [&runs](RowRun run, int64_t count, int64_t run_lanes) {
    run.lanes = static_cast<size_t>(run_lanes);
    for (; count > 0; count -= kRunVectors) {
      run.count = static_cast<size_t>(std::min(count, kRunVectors));
      runs.push_back(run);
      run.from += kRunVectors * run.in_step;
      run.to += kRunVectors * run.out_step;
    }
  };
  if (planar_in) {
    for (int64_t x = first; x < end; x += lanes) {
      add({x, x - start, 0, 0, in.positions(), block}, in.c, std::min(lanes, end - x));
    }
  } else if (in.c == block_channels && stride == 1) {  // the same on both sides
    const int64_t count = (end - first) * in.c;
    const int64_t whole = count / lanes * lanes;
    const int64_t at = first * in.c;
    const int64_t to = (first - start) * in.c;
    add({at, to, 0, 0, lanes, lanes}, whole / lanes, lanes);
    if (count > whole) add({at + whole, to + whole, 0, 0, lanes, lanes}, 1, count - whole);
  } else {
    for (int64_t phase = 0; phase < stride; ++phase) {
      const int64_t x = first + (phase - (first - start) % stride + stride) % stride;
      for (int64_t c = 0; c < in.c;) {
        const int64_t count = std::min({lanes, block_channels - c % block_channels, in.c - c});
        const int64_t position = phase * phase_positions + (x - start) / stride;
        add({x * in.c + c,
             c / block_channels * block + position * block_channels + c % block_channels, 0, 0,
             in.c * stride, block_channels},
            (end - x + stride - 1) / stride, count);
        c += count;
      }
    }
  }
  return runs;
}

}  // namespace sentinode::ops
