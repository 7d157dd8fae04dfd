// Measures, when a model is loaded, which form of each convolution is the quickest that is right.
#pragma once

#include <vector>

#include "core/base/status.h"
#include "core/ops/layers.h"

namespace sentinode::ops {

// Largest error of a form, measured on the layer's own weights against loops in double
// precision, as a share of the output's largest value.
inline constexpr double kTolerance = 1e-4;
inline constexpr double kBfloat16Tolerance = 5e-3;

// Runs the plan once on made-up inputs of this size, trying every form of every convolution that is
// not measured for its size yet, and adds the results to the layers' table. Nothing where the plan
// does not fit the size. Runs on the calling thread's OpenMP threads.
Status Tune(Layers& layers, const std::vector<Volume>& inputs);

// The sizes to measure: the plan's hints, or a usual one where it has none.
std::vector<std::vector<Volume>> TuningSizes(const Plan& plan);

}  // namespace sentinode::ops
