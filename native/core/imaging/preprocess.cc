#include "core/imaging/preprocess.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <functional>
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "core/base/denormals.h"
#include "core/imaging/geometry.h"
#include "core/imaging/kernels.h"
#include "core/imaging/parallel.h"
#include "core/imaging/percentiles.h"
#include "core/imaging/resample.h"
#include "core/imaging/statistics.h"

namespace sentinode::imaging {
namespace {

constexpr int64_t kLargestSide = 1 << 15;

Status Invalid(const std::string& message) { return {"INVALID_OPTION", message}; }

bool SoundExtent(const Extent& extent) {
  const auto sound = [](int64_t side) { return side >= 1 && side <= kLargestSide; };
  return sound(extent.depth) && sound(extent.height) && sound(extent.width);
}

Status Cancelled() { return {"CANCELLED", "preprocessing was cancelled"}; }

// The phases of the volume behind output phases [first, last), each once.
std::vector<int64_t> SourceSlices(const PreprocessOptions& options, size_t first, size_t last) {
  std::set<int64_t> phases;
  for (size_t t = first; t < last; ++t) {
    const PhaseBlend& blend = options.phases[t];
    if (blend.weight < 1.0) phases.insert(blend.first);
    if (blend.weight > 0.0) phases.insert(blend.second);
  }
  std::vector<int64_t> slices;
  for (const int64_t phase : phases) {
    for (int64_t z = 0; z < options.volume.extent.depth; ++z) {
      slices.push_back(phase * options.volume.extent.depth + z);
    }
  }
  return slices;
}

Result<Rescaling> FromMoments(const Moments& moments) {
  const double deviation = moments.StandardDeviation();
  if (!std::isfinite(moments.mean) || !std::isfinite(deviation)) {
    return Status("EXAM_NOT_FINITE", "expected finite intensities, found values that are not");
  }
  if (deviation <= 1e-12 * std::abs(moments.mean) || deviation == 0.0) {
    return Status(
        "EXAM_CONSTANT",
        "expected intensities that vary where their statistics are taken, found one value");
  }
  return Rescaling{moments.mean, 1.0 / deviation};
}

Result<Rescaling> FromPercentiles(const std::optional<std::vector<double>>& percentiles) {
  if (CancelRequested()) return Cancelled();
  if (!percentiles) {
    return Status("EXAM_NOT_FINITE", "expected finite intensities, found values that are not");
  }
  const double range = percentiles->at(1) - percentiles->at(0);
  if (range <= 0.0) {
    return Status("EXAM_CONSTANT", "expected the two percentiles to differ, found one value");
  }
  return Rescaling{percentiles->at(0), 1.0 / range};
}

// The rescaling of output phases [first, last) taken together.
Result<Rescaling> Measure(const PreprocessOptions& options, const std::vector<SliceSummary>& crop,
                          const float* out, size_t first, size_t last) {
  const Intensity& intensity = options.intensity;
  const std::vector<double> percents{intensity.lower_percentile, intensity.upper_percentile};
  if (intensity.domain == Domain::kVolume) {
    const std::vector<int64_t> slices = SourceSlices(options, first, last);
    if (intensity.scaling == Scaling::kPercentile) {
      return FromPercentiles(SlicePercentiles(options.volume, slices, percents));
    }
    // Kept apart and merged in order, so that the result does not depend on the number of threads.
    std::vector<Moments> each(slices.size());
    const bool done =
        ParallelFor(static_cast<int64_t>(slices.size()), options.threads,
                    [&](int64_t i) { each[i] = SliceMoments(options.volume, slices[i]); });
    if (!done) return Cancelled();
    Moments moments;
    for (const Moments& slice : each) moments.Merge(slice);
    return FromMoments(moments);
  }
  if (intensity.scaling == Scaling::kPercentile) {
    const int64_t voxels = options.grid.extent.voxels();
    return FromPercentiles(Percentiles(
        [&](const std::function<void(const float*, int64_t)>& block) {
          for (size_t t = first; t < last && !CancelRequested(); ++t) {
            block(out + static_cast<int64_t>(t) * voxels, voxels);
          }
        },
        percents));
  }
  Moments moments;
  for (const SliceSummary& slice : crop) {
    for (size_t t = first; t < last; ++t) moments.Merge(slice.phases[t]);
  }
  return FromMoments(moments);
}

Result<std::vector<Rescaling>> MeasureAll(const PreprocessOptions& options,
                                          const std::vector<SliceSummary>& crop, const float* out) {
  const size_t phases = options.phases.size();
  std::vector<Rescaling> rescaling(phases);
  if (options.intensity.scaling == Scaling::kNone) return rescaling;
  if (options.intensity.scope != PhaseScope::kEach) {
    const size_t last = options.intensity.scope == PhaseScope::kFirst ? 1 : phases;
    Result<Rescaling> all = Measure(options, crop, out, 0, last);
    if (!all.ok()) return all.status();
    std::fill(rescaling.begin(), rescaling.end(), all.value());
    return rescaling;
  }
  for (size_t t = 0; t < phases; ++t) {
    Result<Rescaling> one = Measure(options, crop, out, t, t + 1);
    if (!one.ok()) return one.status();
    rescaling[t] = one.value();
  }
  return rescaling;
}

// Scales the crop in place and fills what lies outside; false if a value inside was not finite.
bool Scale(const PreprocessOptions& options, const std::vector<Rescaling>& rescaling,
           int64_t outside, float* out) {
  const bool clip = options.intensity.scaling == Scaling::kPercentile && options.intensity.clip;
  const float low = clip ? 0.0F : std::numeric_limits<float>::lowest();
  const float high = clip ? 1.0F : std::numeric_limits<float>::max();
  const int64_t rows = static_cast<int64_t>(options.phases.size()) * options.grid.extent.depth;
  const int64_t slice = options.grid.extent.height * options.grid.extent.width;
  std::atomic<int64_t> replaced{0};
  ParallelFor(rows, options.threads, [&](int64_t row) {
    const Rescaling& r = rescaling[row / options.grid.extent.depth];
    const double filled = (options.outside.value - r.offset) * r.scale;
    const float fill = std::min(std::max(static_cast<float>(filled), low), high);
    replaced += Normalise(r.offset, r.scale, low, high, fill, slice, out + row * slice);
  });
  return CancelRequested() || replaced == outside * static_cast<int64_t>(options.phases.size());
}

}  // namespace

Result<int64_t> PreprocessSize(const PreprocessOptions& options) {
  const VolumeView& volume = options.volume;
  if (!SoundExtent(volume.extent) || volume.phases < 1 || volume.phases > kLargestSide) {
    return Invalid("expected a volume of 1 to 32768 voxels a side and at least one phase");
  }
  const auto frames = static_cast<size_t>(volume.phases * volume.extent.depth);
  if (volume.slices.size() != frames || volume.slopes.size() != frames ||
      volume.intercepts.size() != frames) {
    return Invalid("expected one address, slope and intercept for each slice of each phase");
  }
  const auto finite = [](double value) { return std::isfinite(value); };
  if (!std::all_of(volume.slopes.begin(), volume.slopes.end(), finite) ||
      !std::all_of(volume.intercepts.begin(), volume.intercepts.end(), finite)) {
    return Invalid("expected finite slopes and intercepts");
  }
  if (!SoundExtent(options.grid.extent))
    return Invalid("expected a grid of 1 to 32768 voxels a side");
  if (!std::all_of(options.grid.affine.begin(), options.grid.affine.end(), finite)) {
    return Invalid("expected a finite affine of the grid");
  }
  if (!Invert(volume.affine))
    return Invalid("expected an affine of the volume that can be inverted");
  if (options.phases.empty()) return Invalid("expected at least one output phase");
  for (const PhaseBlend& blend : options.phases) {
    const auto exists = [&](int64_t phase) { return phase >= 0 && phase < volume.phases; };
    if (!exists(blend.first) || !exists(blend.second) ||
        !(blend.weight >= 0.0 && blend.weight <= 1.0)) {
      return Invalid("expected output phases made of phases of the volume, with weights in [0, 1]");
    }
  }
  const Intensity& intensity = options.intensity;
  if (intensity.scaling == Scaling::kPercentile &&
      !(intensity.lower_percentile >= 0.0 && intensity.upper_percentile <= 100.0 &&
        intensity.lower_percentile < intensity.upper_percentile)) {
    return Invalid("expected percentiles between 0 and 100, the lower one first");
  }
  if (!std::isfinite(options.outside.value))
    return Invalid("expected a finite value outside the exam");
  if (options.threads < 1 || options.threads > 1024) return Invalid("expected 1 to 1024 threads");
  // 2^45 voxels times 2^15 phases fit 64 bits.
  if (options.phases.size() > static_cast<size_t>(kLargestSide))
    return Invalid("too many output phases");
  return options.grid.extent.voxels() * static_cast<int64_t>(options.phases.size());
}

Result<PreprocessReport> Preprocess(const PreprocessOptions& options, float* out) {
  if (Result<int64_t> size = PreprocessSize(options); !size.ok()) return size.status();
  const FlushDenormals flush;
  const Affine map = Multiply(*Invert(options.volume.affine), options.grid.affine);
  const Resampler resampler(options.volume, options.grid.extent, map, options.phases,
                            options.outside.nearest);
  std::vector<SliceSummary> crop(options.grid.extent.depth);
  if (!ParallelFor(options.grid.extent.depth, options.threads,
                   [&](int64_t z) { crop[z] = resampler.Slice(z, out); })) {
    return Cancelled();
  }

  int64_t outside = 0;
  for (const SliceSummary& slice : crop) outside += slice.outside;
  const int64_t voxels = options.grid.extent.voxels();
  if (outside == voxels) {
    return Status("REGION_OUTSIDE_EXAM",
                  "expected a region within the exam, found none of its voxels inside");
  }
  Result<std::vector<Rescaling>> rescaling = MeasureAll(options, crop, out);
  if (!rescaling.ok()) return rescaling.status();
  if (!Scale(options, rescaling.value(), outside, out)) {
    return Status("EXAM_NOT_FINITE", "expected finite intensities, found values that are not");
  }
  if (CancelRequested()) return Cancelled();

  PreprocessReport report;
  report.rescaling = std::move(rescaling.value());
  report.outside_fraction = static_cast<double>(outside) / static_cast<double>(voxels);
  for (size_t t = 0; t < options.phases.size(); ++t) {
    Moments moments;
    for (const SliceSummary& slice : crop) moments.Merge(slice.phases[t]);
    report.phase_means.push_back(moments.mean);
  }
  return report;
}

}  // namespace sentinode::imaging
