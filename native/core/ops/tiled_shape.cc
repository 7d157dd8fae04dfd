#include "core/ops/tiled_shape.h"

#include <algorithm>
#include <utility>

#include "core/ops/steps.h"

namespace sentinode::ops {
namespace {

// Positions that are multiplied before the weights are exchanged for the next ones.
constexpr int64_t kGroupPositions = 48;
// Of the second-level cache, which holds sums and a few weights besides.
constexpr int64_t kRingBytes = int64_t{576} << 10;
constexpr int64_t kNarrowestColumns = 16;
// Vectors of a run: what is mixed together stays in the first-level cache.
constexpr int64_t kRunVectors = 16;
// Of a region's border, from which on it goes past the cache: whoever reads it would not find it
// there anyway.
constexpr int64_t kStreamedBytes = int64_t{4} << 20;

int64_t RoundUp(int64_t value, int64_t unit) { return (value + unit - 1) / unit * unit; }

// Rows of input under `rows` rows of output.
int64_t Reach(const Window& w, size_t axis, int64_t rows) {
  return (rows - 1) * w.strides[axis] + int64_t{w.dilations[axis]} * (w.kernel[axis] - 1) + 1;
}

// The largest block of channels that none of the groups straddles.
int64_t BlockChannels(int64_t channels, int64_t group_in, bool grouped) {
  if (channels == 1) return 1;
  if (!grouped) return channels <= 8 ? 8 : 16;
  return group_in % 16 == 0 || 16 % group_in == 0 ? 16 : 1;
}

// As many as fill a matrix tile, or half of one where there are no more.
int64_t MatrixBlockChannels(int64_t group_in) { return group_in > 16 ? 32 : 16; }

}  // namespace

TiledShape::TiledShape(const ConvProblem& problem, const ConvChoice& choice) {
  element = choice.products;
  DivideTimeAndDepth(problem, choice);
  ChooseLayout(problem);
  DivideColumns(problem);
  DivideRows(problem);
  PlaceMemory(problem);
}

void TiledShape::DivideTimeAndDepth(const ConvProblem& problem, const ConvChoice& choice) {
  const Window& w = problem.step->window;
  const auto window = [&w](size_t axis, int64_t in, int64_t out) {
    return AxisWindow{in, out, w.kernel[axis], w.strides[axis], w.dilations[axis], w.pads[axis]};
  };
  const AxisWindow in_time = window(0, problem.in.t, problem.out.t);
  const AxisWindow in_depth = window(1, problem.in.d, problem.out.d);
  const int64_t pooled = problem.pool == nullptr ? 1 : problem.pool->window.strides[1];
  time = choice.frames > 1 ? FastAxis(in_time, choice.frames, 1) : ExactAxis(in_time, kExactFrames);
  depth = choice.planes > 1 ? FastAxis(in_depth, choice.planes, pooled)
                            : ExactAxis(in_depth, RoundUp(kExactPlanes, pooled));
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

void TiledShape::ChooseLayout(const ConvProblem& problem) {
  const Window& w = problem.step->window;
  lanes = GetKernels().lanes;
  group_in = problem.in.c / problem.step->groups;
  group_out = problem.out.c / problem.step->groups;
  group_vectors = (group_out + lanes - 1) / lanes;
  vectors = problem.step->groups * group_vectors;
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
                 static_cast<size_t>(w.kernel[2]) * weight_slice;
}

// Columns as wide as the ring allows, and in them tiles as wide as registers allow.
void TiledShape::DivideColumns(const ConvProblem& problem) {
  const Window& w = problem.step->window;
  const int64_t multiple = problem.pool == nullptr ? 1 : problem.pool->window.strides[2];
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
