// Steps that move positions: ONNX Resize, and channels that become positions.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <vector>

#include "core/ops/parallel.h"
#include "core/ops/steps.h"

namespace sentinode::ops {
namespace {

// Where each output position of one axis reads: in[low] * (1 - share) + in[high] * share.
struct AxisMap {
  std::vector<int32_t> low;
  std::vector<int32_t> high;
  std::vector<float> share;
};

// ONNX's coordinate_transformation_mode, in float32 as ONNX Runtime has it.
float SourceOf(const Resize& resize, int64_t out, int64_t out_size, int64_t in_size, float scale) {
  const float x = static_cast<float>(out);
  const float in = static_cast<float>(in_size);
  switch (resize.coordinates) {
    case Coordinates::kAsymmetric:
      return x / scale;
    case Coordinates::kAlignCorners:
      return out_size == 1 ? 0.0f : x * (in - 1) / static_cast<float>(out_size - 1);
    case Coordinates::kPytorchHalfPixel:
      return out_size > 1 ? (x + 0.5f) / scale - 0.5f : 0.0f;
    case Coordinates::kHalfPixelSymmetric: {
      const float adjustment = static_cast<float>(out_size) / (scale * in);
      return in / 2 * (1 - adjustment) + (x + 0.5f) / scale - 0.5f;
    }
    case Coordinates::kHalfPixel:
      break;
  }
  return (x + 0.5f) / scale - 0.5f;
}

float Rounded(Rounding rounding, float x) {
  switch (rounding) {
    case Rounding::kFloor:
      return std::floor(x);
    case Rounding::kCeil:
      return std::ceil(x);
    case Rounding::kRoundPreferCeil:
      return std::floor(x + 0.5f);
    case Rounding::kRoundPreferFloor:
      break;
  }
  return std::ceil(x - 0.5f);
}

AxisMap MapAxis(const Resize& resize, size_t axis, int64_t in_size, int64_t out_size) {
  AxisMap map;
  const int64_t last = in_size - 1;
  for (int64_t out = 0; out < out_size; ++out) {
    const float scale = resize.scales[axis];
    const float x =
        scale == 1.0f ? static_cast<float>(out) : SourceOf(resize, out, out_size, in_size, scale);
    const bool linear = resize.mode == ResizeMode::kLinear;
    const float inside = std::clamp(x, 0.0f, static_cast<float>(last));
    const float low = linear
                          ? std::floor(inside)
                          : std::clamp(Rounded(resize.rounding, x), 0.0f, static_cast<float>(last));
    map.low.push_back(static_cast<int32_t>(low));
    map.share.push_back(linear ? inside - low : 0.0f);
    map.high.push_back(static_cast<int32_t>(std::min<int64_t>(last, map.low.back() + 1)));
  }
  return map;
}

// The input rows under an output row, with their shares.
struct RowSources {
  std::vector<const void*> rows;
  std::vector<CombineTerm> terms;

  void Add(const void* row, float factor) {
    terms.push_back({static_cast<int>(rows.size()), factor});
    rows.push_back(row);
  }
};

RowSources SourcesOf(const Tensor& in, const std::array<AxisMap, 4>& maps,
                     const std::array<int64_t, 3>& at) {
  RowSources sources;
  for (unsigned corner = 0; corner < 8; ++corner) {
    float factor = 1;
    int64_t row = 0;
    for (size_t axis = 0; axis < 3; ++axis) {
      const AxisMap& map = maps[axis];
      const size_t i = static_cast<size_t>(at[axis]);
      const bool high = (corner >> axis & 1u) != 0;
      factor *= high ? map.share[i] : 1 - map.share[i];
      const int64_t sizes[3] = {in.volume.t, in.volume.d, in.volume.h};
      row = row * sizes[axis] + (high ? map.high[i] : map.low[i]);
    }
    if (factor != 0.0f) sources.Add(in.At(row * in.volume.w), factor);
  }
  return sources;
}

}  // namespace

void RunResize(const Resize& resize, const Tensor& in, const Tensor& out) {
  const Volume& from = in.volume;
  const Volume& to = out.volume;
  const std::array<AxisMap, 4> maps{
      MapAxis(resize, 0, from.t, to.t), MapAxis(resize, 1, from.d, to.d),
      MapAxis(resize, 2, from.h, to.h), MapAxis(resize, 3, from.w, to.w)};
  ParallelFor(to.t * to.d, [&](int64_t plane) {
    std::vector<float> line(static_cast<size_t>(from.w * from.c));
    void* line_data = line.data();
    Blend blend;
    blend.in = line.data();
    blend.low = maps[3].low.data();
    blend.high = maps[3].high.data();
    blend.share = maps[3].share.data();
    blend.element = out.element;
    blend.positions = static_cast<size_t>(to.w);
    blend.channels = static_cast<size_t>(to.c);
    for (int64_t h = 0; h < to.h; ++h) {
      const RowSources sources = SourcesOf(in, maps, {plane / to.d, plane % to.d, h});
      blend.out = out.At((plane * to.h + h) * to.w);
      if (sources.rows.size() == 1 && in.element == Element::kFloat32) {
        blend.in = static_cast<const float*>(sources.rows[0]);
      } else {
        blend.in = line.data();
        const int end = static_cast<int>(sources.terms.size());
        Combine combine;
        combine.in = sources.rows.data();
        combine.out = &line_data;
        combine.ends = &end;
        combine.terms = sources.terms.data();
        combine.in_element = in.element;
        CombineRow(GetKernels(), combine, line.size());
      }
      GetKernels().blend(blend);
    }
  });
}

void RunShuffle(const Step& step, const Tensor& in, const Tensor& out) {
  const Volume& from = in.volume;
  const Volume& to = out.volume;
  const auto& factors = step.factors;
  const size_t element = ElementSize(in.element);
  const int64_t phases = int64_t{factors[0]} * factors[1] * factors[2] * factors[3];
  const size_t part = static_cast<size_t>(to.c / step.groups) * element;
  ParallelFor(to.t * to.d, [&](int64_t plane) {
    const int64_t t = plane / to.d + step.cuts[0];
    const int64_t d = plane % to.d + step.cuts[1];
    for (int64_t row = 0; row < to.h; ++row) {
      const int64_t h = row + step.cuts[2];
      const int64_t source =
          ((t / factors[0] * from.d + d / factors[1]) * from.h + h / factors[2]) * from.w;
      const int64_t phase =
          ((t % factors[0] * factors[1] + d % factors[1]) * factors[2] + h % factors[2]) *
          factors[3];
      uint8_t* to_position = out.At((plane * to.h + row) * to.w);
      for (int64_t column = 0; column < to.w; ++column) {
        const int64_t w = column + step.cuts[3];
        const uint8_t* position = in.At(source + w / factors[3]);
        for (int64_t group = 0; group < step.groups; ++group, to_position += part) {
          const int64_t channel = group * phases + phase + w % factors[3];
          std::memcpy(to_position, position + static_cast<size_t>(channel) * part, part);
        }
      }
    }
  });
}

}  // namespace sentinode::ops
