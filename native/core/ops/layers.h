// What a region keeps whatever the size of its inputs: the plan, its parameters and prepared
// weights, and which form each convolution takes.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/base/status.h"
#include "core/ops/conv.h"
#include "core/ops/plan.h"
#include "core/ops/side_file.h"
#include "core/ops/tuning.h"

namespace sentinode::ops {

struct LayerParameters {
  std::vector<float> bias;   // Cyclic; empty without one
  std::vector<float> scale;  // Cyclic, as is shift
  std::vector<float> shift;
  std::vector<float> slope;  // Cyclic; what the plan's activation points to
  WeightCache weights;
};

struct Layers {
  Plan plan;
  std::shared_ptr<SideFile> file;
  std::vector<LayerParameters> parameters;  // by step
  Element element = Element::kFloat32;      // of the values
  int threads = 1;
  TuningTable tuning;
  size_t tuning_bytes = 0;  // of the values, where anything was measured in this process

  // Reads the parameters out of the side file. `folder` is the compiled model's.
  static Result<std::unique_ptr<Layers>> Load(Plan plan, const std::string& folder, int threads);

  ConvProblem Problem(size_t step, const Volume& in, const Volume& out, int run_threads) const;
  size_t weights_bytes() const;
};

}  // namespace sentinode::ops
