#pragma once

#include <cstdint>
#include <vector>

#include "core/imaging/volume.h"

namespace sentinode::imaging {

// Count, mean and sum of squared deviations; merging keeps precision where sums of squares would
// not (Chan, Golub and LeVeque 1983).
struct Moments {
  int64_t count = 0;
  double mean = 0.0;
  double squared_deviations = 0.0;

  void Merge(const Moments& other);
  // The population's standard deviation (divided by n, as numpy's default).
  double StandardDeviation() const;
  // Of slope * x + intercept.
  Moments Rescaled(double slope, double intercept) const;
};

// Moments of one stored slice (index phase * depth + z), rescaled.
Moments SliceMoments(const VolumeView& volume, int64_t slice);

}  // namespace sentinode::imaging
