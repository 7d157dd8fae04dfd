#include "core/imaging/kernels.h"

#include <algorithm>
#include <cmath>

// One body, several instruction sets: the loader picks the best that the machine has. Sanitizers
// run before the loader has resolved such functions, so their builds have the plain one.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(SENTINODE_SANITIZED)
#define SENTINODE_MULTIVERSION \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define SENTINODE_MULTIVERSION
#endif
#define SENTINODE_INLINE inline __attribute__((always_inline))

namespace sentinode::imaging {
namespace {

template <typename Sample>
SENTINODE_INLINE void MixRowsBody(const Sample* __restrict a, const Sample* __restrict b,
                                  const Sample* __restrict c, const Sample* __restrict d,
                                  int64_t count, RowMix mix, float* __restrict out) {
  for (int64_t x = 0; x < count; ++x) {
    out[x] = static_cast<float>(a[x]) * mix.wa + static_cast<float>(b[x]) * mix.wb +
             static_cast<float>(c[x]) * mix.wc + static_cast<float>(d[x]) * mix.wd + mix.constant;
  }
}

template <typename Sample>
SENTINODE_INLINE float Bilinear(const Sample* corner, int64_t step_x, int64_t step_y, float fx,
                                float fy) {
  const auto v00 = static_cast<float>(corner[0]);
  const auto v01 = static_cast<float>(corner[step_x]);
  const auto v10 = static_cast<float>(corner[step_y]);
  const auto v11 = static_cast<float>(corner[step_y + step_x]);
  const float upper = v00 + fx * (v01 - v00);
  const float lower = v10 + fx * (v11 - v10);
  return upper + fy * (lower - upper);
}

template <typename Sample>
SENTINODE_INLINE void InterpolateTapsBody(const PhaseSlices<Sample>& phase, const RowTaps& taps,
                                          int64_t count, float* __restrict out) {
  for (int64_t i = 0; i < count; ++i) {
    const int64_t near = taps.z0[i];
    const int64_t far = near + phase.step_z;
    const int64_t offset = taps.offset[i];
    const float first = phase.intercepts[near] +
                        phase.slopes[near] * Bilinear(phase.slices[near] + offset, phase.step_x,
                                                      phase.step_y, taps.fx[i], taps.fy[i]);
    const float second = phase.intercepts[far] +
                         phase.slopes[far] * Bilinear(phase.slices[far] + offset, phase.step_x,
                                                      phase.step_y, taps.fx[i], taps.fy[i]);
    out[i] = first + taps.fz[i] * (second - first);
  }
}

template <typename Sample>
SENTINODE_INLINE void SumSamplesBody(const Sample* __restrict samples, int64_t count, int64_t* sum,
                                     int64_t* squares) {
  // Sums of at most 2^15 samples fit 32 bits, which halves the work of the vector units.
  constexpr int64_t kBlock = 1 << 15;
  int64_t total = 0;
  uint64_t total_squares = 0;
  for (int64_t start = 0; start < count; start += kBlock) {
    const int64_t end = std::min(count, start + kBlock);
    int32_t block = 0;
    uint32_t low = 0;
    uint32_t high = 0;
    for (int64_t i = start; i < end; ++i) {
      const auto sample = static_cast<int32_t>(samples[i]);
      const uint32_t square = static_cast<uint32_t>(sample) * static_cast<uint32_t>(sample);
      block += sample;
      low += square & 0xffffU;
      high += square >> 16;
    }
    total += block;
    total_squares += low + (static_cast<uint64_t>(high) << 16);
  }
  *sum = total;
  *squares = static_cast<int64_t>(total_squares);
}

}  // namespace

SENTINODE_MULTIVERSION
void MixRows(const int16_t* a, const int16_t* b, const int16_t* c, const int16_t* d, int64_t count,
             const RowMix& mix, float* out) {
  MixRowsBody(a, b, c, d, count, mix, out);
}

SENTINODE_MULTIVERSION
void MixRows(const uint16_t* a, const uint16_t* b, const uint16_t* c, const uint16_t* d,
             int64_t count, const RowMix& mix, float* out) {
  MixRowsBody(a, b, c, d, count, mix, out);
}

SENTINODE_MULTIVERSION
void MixRows(const float* a, const float* b, const float* c, const float* d, int64_t count,
             const RowMix& mix, float* out) {
  MixRowsBody(a, b, c, d, count, mix, out);
}

SENTINODE_MULTIVERSION
void InterpolateTaps(const PhaseSlices<int16_t>& phase, const RowTaps& taps, int64_t count,
                     float* out) {
  InterpolateTapsBody(phase, taps, count, out);
}

SENTINODE_MULTIVERSION
void InterpolateTaps(const PhaseSlices<uint16_t>& phase, const RowTaps& taps, int64_t count,
                     float* out) {
  InterpolateTapsBody(phase, taps, count, out);
}

SENTINODE_MULTIVERSION
void InterpolateTaps(const PhaseSlices<float>& phase, const RowTaps& taps, int64_t count,
                     float* out) {
  InterpolateTapsBody(phase, taps, count, out);
}

SENTINODE_MULTIVERSION
void InterpolateLine(const float* __restrict line, const int32_t* __restrict offset,
                     const float* __restrict fx, int64_t step, int64_t count,
                     float* __restrict out) {
  for (int64_t i = 0; i < count; ++i) {
    const float left = line[offset[i]];
    const float right = line[offset[i] + step];
    out[i] = left + fx[i] * (right - left);
  }
}

SENTINODE_MULTIVERSION
void SplitCoordinates(double start, double step, int64_t size, int64_t count,
                      int32_t* __restrict lower, float* __restrict fraction) {
  const auto last = static_cast<double>(size - 1);
  const auto last_lower = static_cast<int32_t>(std::max<int64_t>(size - 2, 0));
  for (int64_t i = 0; i < count; ++i) {
    const double wanted = start + static_cast<double>(i) * step;
    const double coordinate = std::min(std::max(0.0, wanted), last);
    const int32_t floored = std::min(static_cast<int32_t>(coordinate), last_lower);
    lower[i] = floored;
    fraction[i] = static_cast<float>(coordinate - static_cast<double>(floored));
  }
}

SENTINODE_MULTIVERSION
void SumSamples(const int16_t* samples, int64_t count, int64_t* sum, int64_t* squares) {
  SumSamplesBody(samples, count, sum, squares);
}

SENTINODE_MULTIVERSION
void SumSamples(const uint16_t* samples, int64_t count, int64_t* sum, int64_t* squares) {
  SumSamplesBody(samples, count, sum, squares);
}

SENTINODE_MULTIVERSION
Moments RowMoments(const float* values, int64_t count) {
  if (count == 0) return {};
  // Without lanes of its own a sum of floating point numbers may not be reordered, hence not
  // vectorised.
  constexpr int kLanes = 16;
  const double reference = values[0];
  double sums[kLanes] = {};
  double squares[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (int lane = 0; lane < kLanes; ++lane) {
      const double difference = static_cast<double>(values[i + lane]) - reference;
      sums[lane] += difference;
      squares[lane] += difference * difference;
    }
  }
  for (; i < count; ++i) {
    const double difference = static_cast<double>(values[i]) - reference;
    sums[0] += difference;
    squares[0] += difference * difference;
  }
  double sum = 0.0;
  double square = 0.0;
  for (int lane = 0; lane < kLanes; ++lane) {
    sum += sums[lane];
    square += squares[lane];
  }
  const double mean = sum / static_cast<double>(count);
  return {count, reference + mean, std::max(0.0, square - sum * mean)};
}

SENTINODE_MULTIVERSION
void Blend(const float* __restrict other, float weight, int64_t count, float* __restrict out) {
  for (int64_t i = 0; i < count; ++i) out[i] += weight * (other[i] - out[i]);
}

SENTINODE_MULTIVERSION
int64_t Normalise(double offset, double scale, float low, float high, float fill, int64_t count,
                  float* __restrict values) {
  const auto shift = static_cast<float>(offset);
  const auto factor = static_cast<float>(scale);
  int32_t replaced = 0;
  for (int64_t i = 0; i < count; ++i) {
    const float value = values[i];
    const bool finite = std::abs(value) <= 3.4028234e38F;
    const float scaled = std::min(std::max((value - shift) * factor, low), high);
    values[i] = finite ? scaled : fill;
    replaced += finite ? 0 : 1;
  }
  return replaced;
}

}  // namespace sentinode::imaging
