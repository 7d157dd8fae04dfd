#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "core/imaging/volume.h"

namespace sentinode::imaging {

// Shows every block of values once; called twice, with the same values.
using ShowBlocks = std::function<void(const std::function<void(const float*, int64_t)>&)>;

// Percentiles (0 to 100) of the finite values shown, interpolated linearly between order statistics
// as numpy does by default. Exact, without a copy of the values: two rounds of a histogram over the
// bits of the numbers. Nothing if no value is finite.
std::optional<std::vector<double>> Percentiles(const ShowBlocks& show,
                                               const std::vector<double>& percents);

// Percentiles of stored slices (indices phase * depth + z), rescaled.
std::optional<std::vector<double>> SlicePercentiles(const VolumeView& volume,
                                                    const std::vector<int64_t>& slices,
                                                    const std::vector<double>& percents);

}  // namespace sentinode::imaging
