#include "core/ops/geometry.h"

#include <array>
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
    case StepKind::kGlobalMaxPool:
      return Volume{first.c, 1, 1, 1, 1};
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
    case StepKind::kMul: {
      const Volume& second = values[static_cast<size_t>(step.in[1])];
      if (first.SameSize(second) || second.positions() == 1) return first;
      if (first.positions() == 1) return second;
      return differ(first, second);
    }
    case StepKind::kScaleShift:
    case StepKind::kInstanceNorm:
    case StepKind::kGroupNorm:
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
