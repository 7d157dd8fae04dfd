#include "core/ops/tiled_weights.h"

#include <algorithm>
#include <string>
#include <vector>

namespace sentinode::ops {
namespace {

// One pair of an output and an input channel, [weight in time][weight in depth][kh][kw], from its
// [kt][kd][kh][kw].
void MixPair(const TiledShape& shape, const Window& w, const float* from, std::vector<double>& to) {
  const size_t plane = static_cast<size_t>(w.kernel[2] * w.kernel[3]);
  const size_t depths = static_cast<size_t>(w.kernel[1]);
  const size_t times = static_cast<size_t>(w.kernel[0]);
  std::fill(to.begin(), to.end(), 0.0);
  double* sum = to.data();
  for (int t = 0; t < shape.time.weight_count; ++t) {
    for (int d = 0; d < shape.depth.weight_count; ++d, sum += plane) {
      for (size_t kt = 0; kt < times; ++kt) {
        for (size_t kd = 0; kd < depths; ++kd) {
          const double factor = shape.time.weights[static_cast<size_t>(t) * times + kt] *
                                shape.depth.weights[static_cast<size_t>(d) * depths + kd];
          if (factor == 0) continue;
          const float* tap = from + (kt * depths + kd) * plane;
          for (size_t i = 0; i < plane; ++i) sum[i] += factor * static_cast<double>(tap[i]);
        }
      }
    }
  }
}

}  // namespace

std::string TiledWeightsName(const TiledShape& shape) {
  const auto axis = [](const Axis& a) {
    return (a.fast ? "fast" : "exact") + std::to_string(a.weight_count);
  };
  const char* precision = shape.element == Element::kBfloat16 ? "bf16" : "fp32";
  return "tiled:" + axis(shape.time) + ":" + axis(shape.depth) + ":" + precision + ":" +
         std::to_string(shape.lanes) +
         (shape.last_rows > 1 ? ":rows" + std::to_string(shape.last_rows) : "") +
         (shape.matrix_tiles ? ":matrix" + std::to_string(shape.step) : "");
}

void PackTiledWeights(const ConvProblem& problem, const TiledShape& shape, int64_t vector,
                      uint8_t* to) {
  const Window& w = problem.step->window;
  const bool pairs = shape.element == Element::kBfloat16;
  const int64_t kernel_w = w.kernel[3];
  const int64_t rows = int64_t{shape.time.weight_count} * shape.depth.weight_count * w.kernel[2];
  const int64_t taps = int64_t{w.kernel[0]} * w.kernel[1] * w.kernel[2] * kernel_w;
  const int64_t slice = static_cast<int64_t>(shape.weight_slice);
  const int64_t in_group = vector % shape.group_vectors * shape.lanes;
  const int64_t first = vector / shape.group_vectors * shape.group_out + in_group;
  const int64_t lanes = std::min(shape.lanes, shape.group_out - in_group);
  const int64_t copies = shape.rows_of(vector);
  std::vector<double> mixed(static_cast<size_t>(rows * kernel_w));
  std::fill(to, to + shape.vector_words * 4, uint8_t{0});
  for (int64_t lane = 0; lane < lanes; ++lane) {
    for (int64_t in = 0; in < shape.group_in; ++in) {
      MixPair(shape, w, problem.weights + ((first + lane) * shape.group_in + in) * taps, mixed);
      const int64_t word = pairs ? in / 2 : in;
      for (int64_t i = 0; i < rows * kernel_w; ++i) {
        const float value = static_cast<float>(mixed[static_cast<size_t>(i)]);
        const int64_t tap = i % kernel_w;
        const int64_t place =
            shape.matrix_tiles
                ? (word / shape.step * kernel_w + tap) * shape.step + word % shape.step
                : word * kernel_w + tap;
        const int64_t row = i / kernel_w;
        const int64_t above = row / w.kernel[2] * shape.kernel_rows + row % w.kernel[2];
        for (int64_t copy = 0; copy < copies; ++copy) {
          const int64_t word_at =
              (above + copy) * slice + place * shape.lanes + copy * lanes + lane;
          uint8_t* at = to + 4 * word_at;
          if (pairs) {
            GetKernels().convert(&value, at + in % 2 * 2, Element::kBfloat16, 1);
          } else {
            *reinterpret_cast<float*>(at) = value;
          }
        }
      }
    }
  }
}

}  // namespace sentinode::ops
