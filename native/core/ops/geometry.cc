#include "core/ops/geometry.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

namespace sentinode::ops {
namespace {

// Keeps every byte count, workspace included, far inside an int64_t.
constexpr int64_t kMaxElements = int64_t{1} << 40;

bool WithinLimit(const Volume& v) {
  int64_t count = 1;
  for (const int64_t dimension : {v.c, v.t, v.d, v.h, v.w}) {
    if (dimension < 1 || dimension > kMaxElements / count) return false;
    count *= dimension;
  }
  return true;
}

std::string Describe(const Volume& v) {
  return std::to_string(v.t) + "x" + std::to_string(v.d) + "x" + std::to_string(v.h) + "x" +
         std::to_string(v.w);
}

// Output positions of a window along one axis; with ceil_mode a last window must begin inside the
// input or its left padding (ONNX).
int64_t OutputSize(const Step& step, size_t axis, int64_t size) {
  const Window& window = step.window;
  const int64_t reach = int64_t{window.dilations[axis]} * (window.kernel[axis] - 1) + 1;
  const int64_t before = window.pads[axis];
  const int64_t free = size + before + window.pads[axis + 4] - reach;
  const int64_t stride = window.strides[axis];
  if (free < 0) return 0;
  int64_t count = (step.ceil_mode ? (free + stride - 1) / stride : free / stride) + 1;
  if (step.ceil_mode && (count - 1) * stride >= size + before) --count;
  return count;
}

Result<Volume> WindowOutput(const Step& step, const Volume& in) {
  const std::array<int64_t, 4> sizes{in.t, in.d, in.h, in.w};
  std::array<int64_t, 4> out{};
  for (size_t axis = 0; axis < 4; ++axis) {
    out[axis] = OutputSize(step, axis, sizes[axis]);
    if (out[axis] < 1) {
      return Status("INVALID_REQUEST",
                    "a kernel does not fit into an input of " + Describe(in) + " (T x D x H x W)");
    }
  }
  return Volume{step.kind == StepKind::kConv ? step.channels : in.c, out[0], out[1], out[2],
                out[3]};
}

// Whether every axis is the other's or one position, which is spread.
bool SpreadsTo(const Volume& v, const Volume& out) {
  const auto fits = [](int64_t from, int64_t to) { return from == to || from == 1; };
  return fits(v.c, out.c) && fits(v.t, out.t) && fits(v.d, out.d) && fits(v.h, out.h) &&
         fits(v.w, out.w);
}

// ONNX: the product, rounded down. In float32, as ONNX Runtime computes it.
Volume ResizedVolume(const Resize& resize, const Volume& in) {
  const auto at = [&resize](size_t axis, int64_t size) {
    return static_cast<int64_t>(std::floor(static_cast<float>(size) * resize.scales[axis]));
  };
  return {in.c, at(0, in.t), at(1, in.d), at(2, in.h), at(3, in.w)};
}

Volume ShuffledVolume(const Step& step, const Volume& in) {
  int64_t phases = 1;
  for (const int factor : step.factors) phases *= factor;
  const auto at = [&step](size_t axis, int64_t size) {
    return size * step.factors[axis] - step.cuts[axis] - step.cuts[axis + 4];
  };
  return {in.c / phases, at(0, in.t), at(1, in.d), at(2, in.h), at(3, in.w)};
}

Result<Volume> StepOutput(const Step& step, const std::vector<Volume>& values) {
  const Volume& first = values[static_cast<size_t>(step.in[0])];
  const auto differ = [](const Volume& a, const Volume& b) {
    return Status("INVALID_REQUEST", "values of " + Describe(a) + " and " + Describe(b) +
                                         " (T x D x H x W) do not fit together");
  };
  switch (step.kind) {
    case StepKind::kConv:
    case StepKind::kMaxPool:
    case StepKind::kAveragePool: {
      Result<Volume> out = WindowOutput(step, first);
      if (out.ok() && step.residual != kNoValue) {
        const Volume& residual = values[static_cast<size_t>(step.residual)];
        if (!residual.SameSize(out.value())) return differ(out.value(), residual);
      }
      return out;
    }
    case StepKind::kGlobalAveragePool:
    case StepKind::kGlobalMaxPool: {
      const auto& axes = step.axes;
      return Volume{first.c, axes[0] ? 1 : first.t, axes[1] ? 1 : first.d, axes[2] ? 1 : first.h,
                    axes[3] ? 1 : first.w};
    }
    case StepKind::kChannelMean:
    case StepKind::kChannelMax:
      return Volume{1, first.t, first.d, first.h, first.w};
    case StepKind::kResize:
      return ResizedVolume(step.resize, first);
    case StepKind::kShuffle:
      return ShuffledVolume(step, first);
    case StepKind::kConcat: {
      Volume out = first;
      for (size_t i = 1; i < step.in.size(); ++i) {
        const Volume& next = values[static_cast<size_t>(step.in[i])];
        if (!next.SameSize(first)) return differ(first, next);
        out.c += next.c;
      }
      return out;
    }
    case StepKind::kAdd:
    case StepKind::kSub:
    case StepKind::kMul:
    case StepKind::kDiv:
    case StepKind::kMax:
    case StepKind::kMin: {
      const Volume& second = values[static_cast<size_t>(step.in[1])];
      const Volume out{std::max(first.c, second.c), std::max(first.t, second.t),
                       std::max(first.d, second.d), std::max(first.h, second.h),
                       std::max(first.w, second.w)};
      if (!SpreadsTo(first, out) || !SpreadsTo(second, out)) return differ(first, second);
      return out;
    }
    case StepKind::kScaleShift:
    case StepKind::kInstanceNorm:
    case StepKind::kGroupNorm:
    case StepKind::kChannelNorm:
    case StepKind::kActivation:
      return first;
  }
  return Status("INTERNAL", "a step of an unknown kind");
}

}  // namespace

Result<std::vector<Volume>> PropagateVolumes(const Plan& plan, const std::vector<Volume>& inputs) {
  std::vector<Volume> values(plan.value_channels.size());
  const Status too_large("INVALID_REQUEST", "a value of a 4D region is empty or too large");
  for (size_t i = 0; i < plan.inputs.size(); ++i) {
    if (!WithinLimit(inputs[i])) return too_large;
    values[static_cast<size_t>(plan.inputs[i].value)] = inputs[i];
  }
  for (const Step& step : plan.steps) {
    Result<Volume> out = StepOutput(step, values);
    if (!out.ok()) return out.status();
    if (!WithinLimit(out.value())) return too_large;
    values[static_cast<size_t>(step.out)] = out.value();
  }
  return values;
}

double ConvFlops(const Step& step, const Volume& in, const Volume& out) {
  double taps = static_cast<double>(in.c) / step.groups;
  for (const int k : step.window.kernel) taps *= k;
  return 2.0 * taps * static_cast<double>(out.elements());
}

}  // namespace sentinode::ops
