#include <algorithm>
#include <limits>

#include "core/ops/parallel.h"
#include "core/ops/steps.h"

namespace sentinode::ops {
namespace {

// The taps of a window along one axis that lie inside the input.
struct Taps {
  int64_t start = 0;  // input position of tap 0, may be negative
  int first = 0;
  int last = 0;  // one past
};

Taps TapsAt(const Window& w, size_t axis, int64_t out, int64_t size) {
  Taps taps;
  taps.start = out * w.strides[axis] - w.pads[axis];
  const auto at = [&](int tap) { return taps.start + int64_t{tap} * w.dilations[axis]; };
  while (taps.first < w.kernel[axis] && at(taps.first) < 0) ++taps.first;
  taps.last = taps.first;
  while (taps.last < w.kernel[axis] && at(taps.last) < size) ++taps.last;
  return taps;
}

// Positions of the window along one axis that an average divides by.
int64_t CountAt(const Step& step, size_t axis, const Taps& taps, int64_t size) {
  if (!step.count_include_pad) return taps.last - taps.first;
  const int64_t padded_end = size + step.window.pads[axis + 4];
  return std::min(taps.start + step.window.kernel[axis], padded_end) - taps.start;
}

// `in` begins under output row `first`.
void PoolRow(const Step& step, const Tensor& in, const Tensor& out, const BlockOrigin& at,
             const BlockOrigin& first) {
  const Window& w = step.window;
  const Volume& from = in.volume;
  const Volume& to = out.volume;
  const Taps t = TapsAt(w, 0, at.t - first.t, from.t);
  const Taps d = TapsAt(w, 1, at.d - first.d, from.d);
  const Taps h = TapsAt(w, 2, at.h - first.h, from.h);
  std::vector<const void*> rows;
  for (int kt = t.first; kt < t.last; ++kt) {
    const int64_t frame = t.start + int64_t{kt} * w.dilations[0];
    for (int kd = d.first; kd < d.last; ++kd) {
      const int64_t depth = d.start + int64_t{kd} * w.dilations[1];
      for (int kh = h.first; kh < h.last; ++kh) {
        const int64_t height = h.start + int64_t{kh} * w.dilations[2];
        rows.push_back(in.At(((frame * from.d + depth) * from.h + height) * from.w));
      }
    }
  }
  WindowRow row;
  row.rows = rows.data();
  row.row_count = static_cast<int>(rows.size());
  row.out = out.At(((at.t * to.d + at.d) * to.h + at.h) * to.w);
  row.element = in.element;
  row.channels = static_cast<size_t>(from.c);
  row.in_width = from.w;
  row.out_width = to.w;
  row.kernel = w.kernel[3];
  row.stride = w.strides[3];
  row.dilation = w.dilations[3];
  row.pad = w.pads[3];
  if (step.kind == StepKind::kMaxPool) {
    GetKernels().max_pool_row(row);
    return;
  }
  row.others =
      CountAt(step, 0, t, from.t) * CountAt(step, 1, d, from.d) * CountAt(step, 2, h, from.h);
  row.count_padding = step.count_include_pad;
  row.padded_width = from.w + w.pads[7];
  GetKernels().average_pool_row(row);
}

// Pieces are the same whatever the number of threads, and so is the order of their sums.
constexpr int64_t kPiece = 1024;

// One number a channel over all positions of `in`.
void PoolWhole(bool max, const Tensor& in, void* out) {
  const int64_t positions = in.volume.positions();
  const int64_t pieces = (positions + kPiece - 1) / kPiece;
  const size_t channels = static_cast<size_t>(in.volume.c);
  const std::vector<float> zero(channels, 0.0f);
  std::vector<float> partial(static_cast<size_t>(pieces) * channels,
                             -std::numeric_limits<float>::infinity());
  ParallelFor(pieces, [&](int64_t piece) {
    const size_t count = static_cast<size_t>(std::min(kPiece, positions - piece * kPiece));
    float* to = partial.data() + static_cast<size_t>(piece) * channels;
    if (max) {
      GetKernels().channel_max(in.At(piece * kPiece), in.element, count, channels, to);
    } else {
      GetKernels().channel_sums(in.At(piece * kPiece), in.element, count, channels, zero.data(), 1,
                                to);
    }
  });
  std::vector<float> result(channels);
  for (size_t c = 0; c < channels; ++c) {
    double sum = 0;
    float best = -std::numeric_limits<float>::infinity();
    for (size_t piece = 0; piece < static_cast<size_t>(pieces); ++piece) {
      sum += static_cast<double>(partial[piece * channels + c]);
      best = std::max(best, partial[piece * channels + c]);
    }
    result[c] = max ? best : static_cast<float>(sum / static_cast<double>(positions));
  }
  GetKernels().convert(result.data(), out, in.element, channels);
}

}  // namespace

bool FollowsBlocks(const Step& step) {
  const Window& w = step.window;
  const auto divides = [&w](size_t axis) {
    return w.kernel[axis] == w.strides[axis] && w.dilations[axis] == 1 && w.pads[axis] == 0 &&
           w.pads[axis + 4] == 0;
  };
  return step.kind == StepKind::kMaxPool && divides(1) && divides(2) && !step.ceil_mode;
}

bool KeepsFrames(const Step& step) {
  const Window& w = step.window;
  return w.kernel[0] == 1 && w.strides[0] == 1 && w.pads[0] == 0 && w.pads[4] == 0;
}

void RunPool(const Step& step, const Tensor& in, const Tensor& out) {
  const Volume& v = out.volume;
  ParallelFor(v.t * v.d * v.h, [&](int64_t index) {
    PoolRow(step, in, out, {index / (v.d * v.h), index / v.h % v.d, index % v.h}, {});
  });
}

void RunPoolBlock(const Step& step, const Tensor& block, const BlockOrigin& origin,
                  const Tensor& out) {
  const Volume& v = block.volume;
  const int64_t depth = step.window.strides[1];
  const int64_t height = step.window.strides[2];
  const BlockOrigin first{KeepsFrames(step) ? origin.t : 0, origin.d / depth, origin.h / height};
  const int64_t end_t = KeepsFrames(step) ? origin.t + v.t : out.volume.t;
  const int64_t end_d = (origin.d + v.d) / depth;
  const int64_t end_h = (origin.h + v.h) / height;
  for (int64_t t = first.t; t < end_t; ++t) {
    for (int64_t d = first.d; d < end_d; ++d) {
      for (int64_t h = first.h; h < end_h; ++h) PoolRow(step, block, out, {t, d, h}, first);
    }
  }
}

void RunGlobalPool(const Step& step, const Tensor& in, const Tensor& out) {
  const int64_t blocks = out.volume.positions();
  Tensor part = in;
  part.volume = {in.volume.c, 1, 1, 1, in.volume.positions() / blocks};
  for (int64_t block = 0; block < blocks; ++block) {
    part.data = in.At(block * part.volume.w);
    PoolWhole(step.kind == StepKind::kGlobalMaxPool, part, out.At(block));
  }
}

void RunChannelPool(const Step& step, const Tensor& in, const Tensor& out) {
  const int64_t positions = in.volume.positions();
  const bool max = step.kind == StepKind::kChannelMax;
  const size_t channels = static_cast<size_t>(in.volume.c);
  ParallelFor((positions + kPiece - 1) / kPiece, [&](int64_t piece) {
    const int64_t end = std::min(positions, (piece + 1) * kPiece);
    std::vector<float> results;
    std::vector<float> planar(channels);
    for (int64_t position = piece * kPiece; position < end; ++position) {
      GetKernels().deinterleave(in.At(position), channels, in.element, channels, planar.data(), 1,
                                1);
      float result = max ? planar[0] : 0;
      for (const float x : planar) {
        result = max ? (x > result || x != x ? x : result) : result + x;
      }
      results.push_back(max ? result : result / static_cast<float>(channels));
    }
    GetKernels().convert(results.data(), out.At(piece * kPiece), out.element, results.size());
  });
}

}  // namespace sentinode::ops
