#include "core/imaging/percentiles.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <type_traits>

#include "core/base/cancel.h"

namespace sentinode::imaging {
namespace {

constexpr int64_t kBins = 1 << 16;

// Floats as unsigned integers in the same order.
uint32_t KeyOf(float value) {
  uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  return (bits & 0x80000000U) != 0 ? ~bits : bits | 0x80000000U;
}

float ValueOf(uint32_t key) {
  const uint32_t bits = (key & 0x80000000U) != 0 ? key & 0x7fffffffU : ~key;
  float value = 0.0F;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

// The order statistics that a percentile lies between.
struct Position {
  int64_t lower, upper;
  double fraction;
};

Position PositionOf(double percent, int64_t count) {
  const double place = percent / 100.0 * static_cast<double>(count - 1);
  const auto lower = static_cast<int64_t>(place);
  return {lower, std::min(lower + 1, count - 1), place - static_cast<double>(lower)};
}

// The bin that holds order statistic `rank`, and the number of values before that bin.
struct Place {
  int64_t bin, before;
};

Place Find(const std::vector<int64_t>& histogram, int64_t rank) {
  int64_t before = 0;
  for (int64_t bin = 0; bin < static_cast<int64_t>(histogram.size()); ++bin) {
    if (rank < before + histogram[bin]) return {bin, before};
    before += histogram[bin];
  }
  return {static_cast<int64_t>(histogram.size()) - 1, before};
}

template <typename Sample>
std::optional<std::vector<double>> IntegerPercentiles(const VolumeView& volume,
                                                      const std::vector<int64_t>& slices,
                                                      const std::vector<double>& percents) {
  // Neighbours are often equal: two tables keep one increment from waiting for the one before it.
  std::vector<uint32_t> even(kBins, 0);
  std::vector<uint32_t> odd(kBins, 0);
  std::vector<int64_t> histogram(kBins, 0);
  const int64_t count = volume.extent.height * volume.extent.width;
  constexpr uint32_t kFlip = std::is_signed_v<Sample> ? 0x8000U : 0U;
  int64_t pending = 0;
  const auto drain = [&] {
    for (int64_t bin = 0; bin < kBins; ++bin) {
      histogram[bin] += static_cast<int64_t>(even[bin]) + odd[bin];
      even[bin] = odd[bin] = 0;
    }
    pending = 0;
  };
  for (const int64_t slice : slices) {
    if (CancelRequested()) return std::nullopt;
    if (pending + count > UINT32_MAX) drain();
    const auto* samples = static_cast<const uint16_t*>(volume.slices[slice]);
    int64_t i = 0;
    for (; i + 1 < count; i += 2) {
      ++even[samples[i] ^ kFlip];
      ++odd[samples[i + 1] ^ kFlip];
    }
    if (i < count) ++even[samples[i] ^ kFlip];
    pending += count;
  }
  drain();
  const double slope = volume.slopes[slices.front()];
  const double intercept = volume.intercepts[slices.front()];
  const int64_t total = count * static_cast<int64_t>(slices.size());
  std::vector<double> values;
  for (const double percent : percents) {
    const Position position = PositionOf(percent, total);
    const auto at = [&](int64_t rank) {
      return static_cast<double>(Find(histogram, rank).bin - static_cast<int64_t>(kFlip));
    };
    const double low = at(position.lower);
    values.push_back(slope * (low + position.fraction * (at(position.upper) - low)) + intercept);
  }
  return values;
}

template <typename Sample>
void ShowSlice(const VolumeView& volume, int64_t slice, std::vector<float>* scratch,
               const std::function<void(const float*, int64_t)>& block) {
  const auto* samples = static_cast<const Sample*>(volume.slices[slice]);
  const auto slope = static_cast<float>(volume.slopes[slice]);
  const auto intercept = static_cast<float>(volume.intercepts[slice]);
  for (int64_t y = 0; y < volume.extent.height; ++y) {
    for (int64_t x = 0; x < volume.extent.width; ++x) {
      (*scratch)[x] = slope * static_cast<float>(samples[y * volume.extent.width + x]) + intercept;
    }
    block(scratch->data(), volume.extent.width);
  }
}

bool SameRescale(const VolumeView& volume, const std::vector<int64_t>& slices) {
  return std::all_of(slices.begin(), slices.end(), [&](int64_t slice) {
    return volume.slopes[slice] == volume.slopes[slices.front()] &&
           volume.intercepts[slice] == volume.intercepts[slices.front()];
  });
}

}  // namespace

std::optional<std::vector<double>> Percentiles(const ShowBlocks& show,
                                               const std::vector<double>& percents) {
  std::vector<int64_t> coarse(kBins, 0);
  int64_t total = 0;
  show([&](const float* values, int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
      if (!std::isfinite(values[i])) continue;
      ++coarse[KeyOf(values[i]) >> 16];
      ++total;
    }
  });
  if (total == 0) return std::nullopt;

  std::map<int64_t, std::vector<int64_t>> fine;
  for (const double percent : percents) {
    const Position position = PositionOf(percent, total);
    for (const int64_t rank : {position.lower, position.upper}) {
      fine.try_emplace(Find(coarse, rank).bin, kBins, 0);
    }
  }
  // A table from coarse bin to its fine histogram: the loop below sees every value again.
  std::vector<int64_t*> refined(kBins, nullptr);
  for (auto& [bin, histogram] : fine) refined[bin] = histogram.data();
  show([&](const float* values, int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
      if (!std::isfinite(values[i])) continue;
      const uint32_t key = KeyOf(values[i]);
      if (int64_t* histogram = refined[key >> 16]) ++histogram[key & 0xffffU];
    }
  });

  std::vector<double> result;
  for (const double percent : percents) {
    const Position position = PositionOf(percent, total);
    const auto at = [&](int64_t rank) {
      const Place place = Find(coarse, rank);
      const Place within = Find(fine.at(place.bin), rank - place.before);
      return static_cast<double>(ValueOf(static_cast<uint32_t>(place.bin << 16 | within.bin)));
    };
    const double low = at(position.lower);
    result.push_back(low + position.fraction * (at(position.upper) - low));
  }
  return result;
}

std::optional<std::vector<double>> SlicePercentiles(const VolumeView& volume,
                                                    const std::vector<int64_t>& slices,
                                                    const std::vector<double>& percents) {
  if (slices.empty() || volume.extent.height * volume.extent.width == 0) return std::nullopt;
  // One rescale for all, rising: the order of the stored integers is the order of the values.
  const bool one_rescale = volume.slopes[slices.front()] > 0.0 && SameRescale(volume, slices);
  if (one_rescale && volume.type == SampleType::kInt16) {
    return IntegerPercentiles<int16_t>(volume, slices, percents);
  }
  if (one_rescale && volume.type == SampleType::kUint16) {
    return IntegerPercentiles<uint16_t>(volume, slices, percents);
  }
  std::vector<float> scratch(volume.extent.width);
  return Percentiles(
      [&](const std::function<void(const float*, int64_t)>& block) {
        for (const int64_t slice : slices) {
          if (CancelRequested()) return;
          switch (volume.type) {
            case SampleType::kInt16:
              ShowSlice<int16_t>(volume, slice, &scratch, block);
              break;
            case SampleType::kUint16:
              ShowSlice<uint16_t>(volume, slice, &scratch, block);
              break;
            case SampleType::kFloat32:
              ShowSlice<float>(volume, slice, &scratch, block);
              break;
          }
        }
      },
      percents);
}

}  // namespace sentinode::imaging
