#include "core/imaging/resample.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "core/imaging/kernels.h"

namespace sentinode::imaging {
namespace {

// Coordinates that differ by less than this many voxels are the same: far below what float weights
// resolve, far above the rounding of the affine arithmetic.
constexpr double kTolerance = 1e-6;

}  // namespace

// One row of the grid in the volume's coordinates, and the scratch to fetch it.
struct Resampler::Row {
  explicit Row(int64_t width, int64_t volume_width)
      : x0(width),
        y0(width),
        z0(width),
        offset(width),
        fx(width),
        fy(width),
        fz(width),
        other(width),
        line(volume_width + 1) {}

  int64_t begin = 0;  // voxels [begin, end) of the row are inside
  int64_t end = 0;
  bool aligned = false;  // the row runs along the volume's own rows
  int64_t line_start = 0;
  int64_t line_count = 0;
  std::vector<int32_t> x0, y0, z0, offset;
  std::vector<float> fx, fy, fz, other, line;
};

Resampler::Resampler(const VolumeView& volume, const Extent& grid, const Affine& grid_to_volume,
                     std::vector<PhaseBlend> phases, bool nearest_outside)
    : volume_(volume),
      grid_(grid),
      map_(grid_to_volume),
      phases_(std::move(phases)),
      nearest_outside_(nearest_outside),
      slopes_(volume.slopes.begin(), volume.slopes.end()),
      intercepts_(volume.intercepts.begin(), volume.intercepts.end()) {}

void Resampler::Locate(int64_t y, int64_t z, Row* row) const {
  const int64_t sizes[3] = {volume_.extent.width, volume_.extent.height, volume_.extent.depth};
  double start[3];
  double step[3];
  for (int axis = 0; axis < 3; ++axis) {
    const double* m = &map_[static_cast<size_t>(axis) * 4];
    start[axis] = m[1] * static_cast<double>(y) + m[2] * static_cast<double>(z) + m[3];
    step[axis] = m[0];
  }

  row->begin = 0;
  row->end = grid_.width;
  if (!nearest_outside_) {
    // The inside of the exam is convex, so that the row's share of it is one interval.
    const auto inside = [&](int64_t i) {
      for (int axis = 0; axis < 3; ++axis) {
        const double coordinate = start[axis] + static_cast<double>(i) * step[axis];
        if (!(coordinate >= -0.5 - kTolerance &&
              coordinate <= static_cast<double>(sizes[axis]) - 0.5 + kTolerance)) {
          return false;
        }
      }
      return true;
    };
    while (row->begin < row->end && !inside(row->begin)) ++row->begin;
    while (row->end > row->begin && !inside(row->end - 1)) --row->end;
  }
  const int64_t count = row->end - row->begin;
  if (count == 0) return;

  const auto split = [&](int axis, int64_t voxels, std::vector<int32_t>* lower,
                         std::vector<float>* f) {
    SplitCoordinates(start[axis] + static_cast<double>(row->begin) * step[axis], step[axis],
                     sizes[axis], voxels, lower->data(), f->data());
  };
  split(0, count, &row->x0, &row->fx);
  const double width = static_cast<double>(grid_.width);
  row->aligned = std::abs(step[1]) * width < kTolerance && std::abs(step[2]) * width < kTolerance;
  if (row->aligned) {
    const auto [low, high] = std::minmax(row->x0[0], row->x0[count - 1]);
    row->line_start = low;
    row->line_count = std::min<int64_t>(high + 2, sizes[0]) - low;
    // Mixing whole stored rows is much cheaper per voxel, unless the grid skips most of them.
    row->aligned = row->line_count <= 8 * count;
  }
  if (row->aligned) {
    split(1, 1, &row->y0, &row->fy);
    split(2, 1, &row->z0, &row->fz);
    for (int64_t i = 0; i < count; ++i) row->x0[i] -= static_cast<int32_t>(row->line_start);
    return;
  }
  split(1, count, &row->y0, &row->fy);
  split(2, count, &row->z0, &row->fz);
  for (int64_t i = 0; i < count; ++i) {
    row->offset[i] = row->y0[i] * static_cast<int32_t>(sizes[0]) + row->x0[i];
  }
}

template <typename Sample>
void Resampler::FetchAs(int64_t phase, Row* row, float* out) const {
  const int64_t first_slice = phase * volume_.extent.depth;
  const auto* slices = reinterpret_cast<const Sample* const*>(volume_.slices.data()) + first_slice;
  const float* slopes = slopes_.data() + first_slice;
  const float* intercepts = intercepts_.data() + first_slice;
  const int64_t step_x = volume_.extent.width > 1 ? 1 : 0;
  const int64_t step_y = volume_.extent.height > 1 ? volume_.extent.width : 0;
  const int64_t step_z = volume_.extent.depth > 1 ? 1 : 0;
  const int64_t count = row->end - row->begin;
  if (!row->aligned) {
    const PhaseSlices<Sample> samples{slices, slopes, intercepts, step_x, step_y, step_z};
    const RowTaps taps{row->offset.data(), row->z0.data(), row->fx.data(), row->fy.data(),
                       row->fz.data()};
    InterpolateTaps(samples, taps, count, out);
    return;
  }
  const int64_t near = row->z0[0];
  const int64_t far = near + step_z;
  const int64_t offset = row->y0[0] * volume_.extent.width + row->line_start;
  const float fy = row->fy[0];
  const float fz = row->fz[0];
  const RowMix mix{(1.0F - fz) * (1.0F - fy) * slopes[near], (1.0F - fz) * fy * slopes[near],
                   fz * (1.0F - fy) * slopes[far], fz * fy * slopes[far],
                   (1.0F - fz) * intercepts[near] + fz * intercepts[far]};
  MixRows(slices[near] + offset, slices[near] + offset + step_y, slices[far] + offset,
          slices[far] + offset + step_y, row->line_count, mix, row->line.data());
  InterpolateLine(row->line.data(), row->x0.data(), row->fx.data(), step_x, count, out);
}

void Resampler::Fetch(int64_t phase, Row* row, float* out) const {
  switch (volume_.type) {
    case SampleType::kInt16:
      return FetchAs<int16_t>(phase, row, out);
    case SampleType::kUint16:
      return FetchAs<uint16_t>(phase, row, out);
    case SampleType::kFloat32:
      return FetchAs<float>(phase, row, out);
  }
}

SliceSummary Resampler::Slice(int64_t z, float* out) const {
  constexpr float kOutside = std::numeric_limits<float>::quiet_NaN();
  SliceSummary summary;
  summary.phases.resize(phases_.size());
  Row row(grid_.width, volume_.extent.width);
  for (int64_t y = 0; y < grid_.height; ++y) {
    Locate(y, z, &row);
    const int64_t count = row.end - row.begin;
    summary.outside += grid_.width - count;
    for (size_t t = 0; t < phases_.size(); ++t) {
      const PhaseBlend& blend = phases_[t];
      float* target =
          out + ((static_cast<int64_t>(t) * grid_.depth + z) * grid_.height + y) * grid_.width;
      std::fill(target, target + row.begin, kOutside);
      std::fill(target + row.end, target + grid_.width, kOutside);
      if (count == 0) continue;
      Fetch(blend.weight < 1.0 ? blend.first : blend.second, &row, target + row.begin);
      if (blend.weight > 0.0 && blend.weight < 1.0) {
        Fetch(blend.second, &row, row.other.data());
        Blend(row.other.data(), static_cast<float>(blend.weight), count, target + row.begin);
      }
      summary.phases[t].Merge(RowMoments(target + row.begin, count));
    }
  }
  return summary;
}

}  // namespace sentinode::imaging
