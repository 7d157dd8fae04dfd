#include "core/imaging/statistics.h"

#include <algorithm>
#include <cmath>

#include "core/imaging/kernels.h"

namespace sentinode::imaging {

void Moments::Merge(const Moments& other) {
  if (other.count == 0) return;
  const double total = static_cast<double>(count + other.count);
  const double difference = other.mean - mean;
  const double share = static_cast<double>(other.count) / total;
  squared_deviations +=
      other.squared_deviations + difference * difference * static_cast<double>(count) * share;
  mean += difference * share;
  count += other.count;
}

double Moments::StandardDeviation() const {
  return count == 0 ? 0.0
                    : std::sqrt(std::max(0.0, squared_deviations / static_cast<double>(count)));
}

Moments Moments::Rescaled(double slope, double intercept) const {
  return {count, slope * mean + intercept, slope * slope * squared_deviations};
}

namespace {

template <typename Sample>
Moments IntegerMoments(const void* samples, int64_t count) {
  int64_t sum = 0;
  int64_t squares = 0;
  SumSamples(static_cast<const Sample*>(samples), count, &sum, &squares);
  const double mean = static_cast<double>(sum) / static_cast<double>(count);
  // The sums are exact, and so is this difference as far as long double goes.
  const auto exact = static_cast<long double>(sum);
  const long double deviations = static_cast<long double>(squares) - exact * exact / count;
  return {count, mean, static_cast<double>(std::max(deviations, 0.0L))};
}

Moments FloatMoments(const float* values, int64_t count) {
  constexpr int64_t kBlock = 4096;
  Moments moments;
  for (int64_t start = 0; start < count; start += kBlock) {
    moments.Merge(RowMoments(values + start, std::min(kBlock, count - start)));
  }
  return moments;
}

}  // namespace

Moments SliceMoments(const VolumeView& volume, int64_t slice) {
  const int64_t count = volume.extent.height * volume.extent.width;
  const void* samples = volume.slices[slice];
  Moments stored;
  switch (volume.type) {
    case SampleType::kInt16:
      stored = IntegerMoments<int16_t>(samples, count);
      break;
    case SampleType::kUint16:
      stored = IntegerMoments<uint16_t>(samples, count);
      break;
    case SampleType::kFloat32:
      stored = FloatMoments(static_cast<const float*>(samples), count);
      break;
  }
  return stored.Rescaled(volume.slopes[slice], volume.intercepts[slice]);
}

}  // namespace sentinode::imaging
