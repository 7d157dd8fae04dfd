#include <algorithm>
#include <cmath>

#include "core/ops/parallel.h"
#include "core/ops/steps.h"

namespace sentinode::ops {
namespace {

constexpr int64_t kPiece = 1024;

// Sum over all positions of (x - centre)^power per channel: float32 inside a piece, double beyond.
// The pieces do not depend on the number of threads.
std::vector<double> ChannelMoments(const Tensor& in, const std::vector<float>& centre, int power) {
  const int64_t positions = in.volume.positions();
  const int64_t pieces = (positions + kPiece - 1) / kPiece;
  const size_t channels = static_cast<size_t>(in.volume.c);
  std::vector<float> partial(static_cast<size_t>(pieces) * channels);
  ParallelFor(pieces, [&](int64_t piece) {
    const size_t count = static_cast<size_t>(std::min(kPiece, positions - piece * kPiece));
    GetKernels().channel_sums(in.At(piece * kPiece), in.element, count, channels, centre.data(),
                              power, partial.data() + static_cast<size_t>(piece) * channels);
  });
  std::vector<double> sums(channels, 0.0);
  for (size_t i = 0; i < partial.size(); ++i) sums[i % channels] += static_cast<double>(partial[i]);
  return sums;
}

// The mean over each group's channels, given to each of them.
void AverageOverGroups(std::vector<double>& values, size_t group) {
  for (size_t start = 0; start < values.size(); start += group) {
    double sum = 0;
    for (size_t c = start; c < start + group; ++c) sum += values[c];
    for (size_t c = start; c < start + group; ++c) values[c] = sum / static_cast<double>(group);
  }
}

}  // namespace

void RunNorm(const Step& step, const Tensor& in, const float* scale, const float* shift,
             const Tensor& out) {
  const size_t channels = static_cast<size_t>(in.volume.c);
  const double positions = static_cast<double>(in.volume.positions());
  const size_t group =
      step.kind == StepKind::kGroupNorm ? channels / static_cast<size_t>(step.groups) : size_t{1};
  std::vector<double> mean = ChannelMoments(in, std::vector<float>(channels, 0.0f), 1);
  for (double& value : mean) value /= positions;
  AverageOverGroups(mean, group);
  std::vector<double> variance =
      ChannelMoments(in, std::vector<float>(mean.begin(), mean.end()), 2);
  for (double& value : variance) value /= positions;
  AverageOverGroups(variance, group);

  std::vector<float> factor(channels);
  std::vector<float> offset(channels);
  for (size_t c = 0; c < channels; ++c) {
    const double inverse = 1 / std::sqrt(variance[c] + static_cast<double>(step.epsilon));
    factor[c] = static_cast<float>(static_cast<double>(scale[c]) * inverse);
    offset[c] = static_cast<float>(static_cast<double>(shift[c]) -
                                   static_cast<double>(scale[c]) * inverse * mean[c]);
  }
  RunScaleShift(in, Cyclic(factor.data(), in.volume.c).data(),
                Cyclic(offset.data(), in.volume.c).data(), step.activation, out);
}

void RunChannelNorm(const Step& step, const Tensor& in, const float* scale, const float* shift,
                    const Tensor& out) {
  const int64_t positions = in.volume.positions();
  ParallelFor((positions + kPiece - 1) / kPiece, [&](int64_t piece) {
    ChannelNorm norm;
    norm.in = in.At(piece * kPiece);
    norm.out = out.At(piece * kPiece);
    norm.element = in.element;
    norm.positions = static_cast<size_t>(std::min(kPiece, positions - piece * kPiece));
    norm.channels = static_cast<size_t>(in.volume.c);
    norm.scale = scale;
    norm.shift = shift;
    norm.epsilon = step.epsilon;
    norm.centred = step.centred;
    norm.activation = step.activation;
    GetKernels().channel_norm(norm);
  });
}

}  // namespace sentinode::ops
