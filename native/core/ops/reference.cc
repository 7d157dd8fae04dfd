#include "core/ops/reference.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#include "core/ops/parallel.h"
#include "core/ops/steps.h"

namespace sentinode::ops {
namespace {

float ValueAt(const void* data, Element element, int64_t index) {
  if (element == Element::kFloat32) return static_cast<const float*>(data)[index];
  const uint32_t bits = uint32_t{static_cast<const uint16_t*>(data)[index]} << 16;
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

// One tap of the four axes' windows around an output.
struct Tap {
  int64_t position = 0;  // of the input
  int64_t weight = 0;    // within a pair of channels
};

std::vector<Tap> TapsUnder(const ConvProblem& p, int64_t position) {
  const Window& w = p.step->window;
  const int64_t in[4] = {p.in.t, p.in.d, p.in.h, p.in.w};
  const int64_t out[4] = {p.out.t, p.out.d, p.out.h, p.out.w};
  int64_t at[4];
  for (size_t axis = 4; axis-- > 0; position /= out[axis]) at[axis] = position % out[axis];
  std::vector<Tap> taps{{0, 0}};
  for (size_t axis = 0; axis < 4; ++axis) {
    std::vector<Tap> longer;
    for (const Tap& tap : taps) {
      for (int64_t k = 0; k < w.kernel[axis]; ++k) {
        const int64_t x = at[axis] * w.strides[axis] + k * w.dilations[axis] - w.pads[axis];
        if (x < 0 || x >= in[axis]) continue;
        longer.push_back({tap.position * in[axis] + x, tap.weight * w.kernel[axis] + k});
      }
    }
    taps = std::move(longer);
  }
  return taps;
}

double SumAt(const ConvProblem& p, const ConvForm::Buffers& buffers, int64_t index) {
  const Step& step = *p.step;
  const int64_t channel = index % p.out.c;
  const int64_t group_in = p.in.c / step.groups;
  const int64_t first = channel / (p.out.c / step.groups) * group_in;
  int64_t kernel = 1;
  for (const int k : step.window.kernel) kernel *= k;
  const float* weights = p.weights + channel * group_in * kernel;
  double sum = p.bias == nullptr ? 0 : static_cast<double>(p.bias[channel]);
  if (buffers.residual != nullptr) {
    sum += static_cast<double>(ValueAt(buffers.residual, p.element, index));
  }
  for (const Tap& tap : TapsUnder(p, index / p.out.c)) {
    for (int64_t c = 0; c < group_in; ++c) {
      const float x = ValueAt(buffers.in, p.element, tap.position * p.in.c + first + c);
      sum += static_cast<double>(x) * static_cast<double>(weights[c * kernel + tap.weight]);
    }
  }
  return sum;
}

}  // namespace

std::vector<float> SampleValues(const void* data, Element element, size_t count, size_t step) {
  std::vector<float> samples;
  for (size_t i = 0; i < count; i += step) {
    samples.push_back(ValueAt(data, element, static_cast<int64_t>(i)));
  }
  return samples;
}

std::vector<float> ReferenceSamples(const ConvProblem& problem, const ConvForm::Buffers& buffers,
                                    size_t step) {
  const size_t count = (static_cast<size_t>(problem.out.elements()) + step - 1) / step;
  std::vector<float> samples(count);
  ParallelFor(static_cast<int64_t>(count), [&](int64_t i) {
    samples[static_cast<size_t>(i)] =
        static_cast<float>(SumAt(problem, buffers, i * static_cast<int64_t>(step)));
  });
  const Activation& activation = problem.step->activation;
  if (activation.kind == ActivationKind::kPrelu) {
    for (size_t i = 0; i < count; ++i) {
      const size_t channel = i * step % static_cast<size_t>(problem.out.c);
      if (samples[i] < 0) samples[i] *= activation.slopes[channel];
    }
    return samples;
  }
  Tensor tensor;
  tensor.data = samples.data();
  tensor.volume = {1, 1, 1, 1, static_cast<int64_t>(count)};
  RunActivation(activation, tensor, tensor);
  return samples;
}

double RelativeError(const std::vector<float>& expected, const std::vector<float>& found) {
  double largest = 0;
  double error = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    const double difference =
        std::abs(static_cast<double>(expected[i]) - static_cast<double>(found[i]));
    if (std::isnan(difference)) return std::numeric_limits<double>::infinity();
    largest = std::max(largest, std::abs(static_cast<double>(expected[i])));
    error = std::max(error, difference);
  }
  return largest > 0 ? error / largest : error;
}

}  // namespace sentinode::ops
