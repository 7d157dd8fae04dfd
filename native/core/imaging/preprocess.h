#pragma once

#include <cstdint>
#include <vector>

#include "core/base/status.h"
#include "core/imaging/volume.h"

namespace sentinode::imaging {

struct PreprocessOptions {
  VolumeView volume;
  Grid grid;
  std::vector<PhaseBlend> phases;
  Intensity intensity;
  Outside outside;
  int threads = 1;
};

// output = (value - offset) * scale, per output phase; where percentiles clip, clipped after.
struct Rescaling {
  double offset = 0.0;
  double scale = 1.0;
};

struct PreprocessReport {
  std::vector<Rescaling> rescaling;  // [output phases]
  std::vector<double> phase_means;   // [output phases], exam's intensities, voxels inside the exam
  double outside_fraction = 0.0;     // of the grid's voxels
};

// Number of floats that Preprocess writes; an error if the options are not sound: sizes, counts and
// indices are checked here, so that nothing below reads outside the volume.
Result<int64_t> PreprocessSize(const PreprocessOptions& options);

// From an exam to a network's input: resampled to the grid (trilinear, in patient space), phases
// picked or interpolated in time, intensities scaled. Writes [phases, depth, height, width] into
// `out`, which has PreprocessSize() floats. Runs on the calling thread and `threads - 1` more,
// until done or until the calling thread's cancel flag is set. Errors: INVALID_OPTION,
// REGION_OUTSIDE_EXAM, EXAM_NOT_FINITE, EXAM_CONSTANT, CANCELLED.
Result<PreprocessReport> Preprocess(const PreprocessOptions& options, float* out);

}  // namespace sentinode::imaging
