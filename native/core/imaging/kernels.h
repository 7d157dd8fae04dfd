// The inner loops, compiled for several instruction sets and chosen when the process starts. Each
// works on contiguous rows; none allocates. S is int16_t, uint16_t or float.
#pragma once

#include <cstdint>

#include "core/imaging/statistics.h"

namespace sentinode::imaging {

// Where the samples of one output row lie in the volume. `offset` is y0 * width + x0 in slice z0;
// the fractions are those of the upper neighbours.
struct RowTaps {
  const int32_t* offset;
  const int32_t* z0;
  const float* fx;
  const float* fy;
  const float* fz;
};

// Four stored rows weighed into one: out[x] = a[x] wa + b[x] wb + c[x] wc + d[x] wd + constant.
struct RowMix {
  float wa, wb, wc, wd, constant;
};
void MixRows(const int16_t* a, const int16_t* b, const int16_t* c, const int16_t* d, int64_t count,
             const RowMix& mix, float* out);
void MixRows(const uint16_t* a, const uint16_t* b, const uint16_t* c, const uint16_t* d,
             int64_t count, const RowMix& mix, float* out);
void MixRows(const float* a, const float* b, const float* c, const float* d, int64_t count,
             const RowMix& mix, float* out);

// Trilinear interpolation at arbitrary taps of one phase: slices[z] with its own rescale, and the
// distances of the upper neighbours along each axis (0 where the volume is one voxel thick).
template <typename Sample>
struct PhaseSlices {
  const Sample* const* slices;
  const float* slopes;
  const float* intercepts;
  int64_t step_x, step_y, step_z;
};
void InterpolateTaps(const PhaseSlices<int16_t>& phase, const RowTaps& taps, int64_t count,
                     float* out);
void InterpolateTaps(const PhaseSlices<uint16_t>& phase, const RowTaps& taps, int64_t count,
                     float* out);
void InterpolateTaps(const PhaseSlices<float>& phase, const RowTaps& taps, int64_t count,
                     float* out);

// out[i] = line[offset[i]] + fx[i] * (line[offset[i] + step] - line[offset[i]]).
void InterpolateLine(const float* line, const int32_t* offset, const float* fx, int64_t step,
                     int64_t count, float* out);

// coordinate(i) = start + i * step, clamped to [0, size - 1] and split into the lower neighbour (at
// most size - 2, so that the upper one exists) and the fraction.
void SplitCoordinates(double start, double step, int64_t size, int64_t count, int32_t* lower,
                      float* fraction);

// Exact sums of stored integers: 64 bits hold 2^33 squares.
void SumSamples(const int16_t* samples, int64_t count, int64_t* sum, int64_t* squares);
void SumSamples(const uint16_t* samples, int64_t count, int64_t* sum, int64_t* squares);

// Moments of a row of values, by sums of differences from its first value.
Moments RowMoments(const float* values, int64_t count);

// out = (1 - weight) * out + weight * other.
void Blend(const float* other, float weight, int64_t count, float* out);

// values = clamp((values - offset) * scale, low, high); those that are not finite become `fill` and
// are counted.
int64_t Normalise(double offset, double scale, float low, float high, float fill, int64_t count,
                  float* values);

}  // namespace sentinode::imaging
