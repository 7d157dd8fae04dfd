// A time series of volumes as the scanner stored it, and what is to be made of it.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace sentinode::imaging {

enum class SampleType { kInt16, kUint16, kFloat32 };

// Row-major 4x4 matrix from a voxel (x, y, z) to patient millimetres (DICOM's LPS axes).
using Affine = std::array<double, 16>;

// Extent of a volume or of an output grid, in voxels.
struct Extent {
  int64_t depth = 0;   // z
  int64_t height = 0;  // y
  int64_t width = 0;   // x
  int64_t voxels() const { return depth * height * width; }
};

// Stored samples [T, Z, Y, X], borrowed: the caller keeps them alive and unchanged. Every slice has
// its own address and its own rescale, because DICOM stores both per frame. value = slope * sample
// + intercept.
struct VolumeView {
  SampleType type = SampleType::kInt16;
  int64_t phases = 0;
  Extent extent;
  Affine affine{};
  std::vector<const void*> slices;  // [phases * depth], each height * width samples
  std::vector<double> slopes;       // [phases * depth]
  std::vector<double> intercepts;   // [phases * depth]
};

struct Grid {
  Extent extent;
  Affine affine{};
};

// One phase of the output: (1 - weight) * first + weight * second, phases of the volume.
struct PhaseBlend {
  int64_t first = 0;
  int64_t second = 0;
  double weight = 0.0;
};

enum class Scaling { kNone, kZScore, kPercentile };
// Where the statistics of the scaling come from: the resampled crop (voxels inside the exam only),
// or all stored voxels of the phases that the output draws upon.
enum class Domain { kCrop, kVolume };
// Over which phases they are taken together; kEach scales every phase by itself, which removes the
// enhancement between phases and is therefore never a default.
enum class PhaseScope { kAll, kFirst, kEach };

struct Intensity {
  Scaling scaling = Scaling::kNone;
  Domain domain = Domain::kCrop;
  PhaseScope scope = PhaseScope::kAll;
  double lower_percentile = 0.0;    // maps to 0
  double upper_percentile = 100.0;  // maps to 1
  bool clip = false;                // to [0, 1], kPercentile only
};

// What a voxel of the grid outside the exam holds: the nearest voxel of the exam, or a value in the
// exam's intensities (scaled like the rest). A voxel counts as inside up to half a voxel beyond the
// outermost centres.
struct Outside {
  bool nearest = false;
  double value = 0.0;
};

}  // namespace sentinode::imaging
