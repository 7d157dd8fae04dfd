#pragma once

#include <cstdint>
#include <vector>

#include "core/imaging/statistics.h"
#include "core/imaging/volume.h"

namespace sentinode::imaging {

// What one slice of the output grid came to.
struct SliceSummary {
  std::vector<Moments> phases;  // of the voxels inside the exam, before any scaling
  int64_t outside = 0;  // voxels of the grid slice outside the exam, the same in every phase
};

// Trilinear resampling of a series onto a grid, in the exam's intensities. Immutable after
// construction: slices may be resampled on several threads at once.
class Resampler {
 public:
  // `grid_to_volume` maps a grid voxel (x, y, z) to the volume's voxel coordinates. With
  // `nearest_outside` voxels outside the exam repeat its border, else they become NaN.
  Resampler(const VolumeView& volume, const Extent& grid, const Affine& grid_to_volume,
            std::vector<PhaseBlend> phases, bool nearest_outside);

  // Writes slice z of every output phase into `out` [phases, depth, height, width].
  SliceSummary Slice(int64_t z, float* out) const;

 private:
  struct Row;
  void Locate(int64_t y, int64_t z, Row* row) const;
  void Fetch(int64_t phase, Row* row, float* out) const;
  template <typename Sample>
  void FetchAs(int64_t phase, Row* row, float* out) const;

  const VolumeView& volume_;
  const Extent grid_;
  const Affine map_;
  const std::vector<PhaseBlend> phases_;
  const bool nearest_outside_;
  std::vector<float> slopes_;
  std::vector<float> intercepts_;
};

}  // namespace sentinode::imaging
