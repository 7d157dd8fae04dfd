#include "core/ops/layers.h"

#include <utility>

#include "core/ops/onednn.h"
#include "core/ops/steps.h"

namespace sentinode::ops {

namespace {

// Names the raw weights of a convolution by their contents: the file is named after its own.
std::string WeightsIdentity(const Plan& plan, const Step& step) {
  std::string identity = plan.weights_name + " at " + std::to_string(step.weight);
  const int in = plan.value_channels[static_cast<size_t>(step.in[0])];
  for (const int size : {step.channels, in, step.groups}) identity += ' ' + std::to_string(size);
  for (const int size : step.window.kernel) identity += ' ' + std::to_string(size);
  return identity;
}

}  // namespace

Result<std::unique_ptr<Layers>> Layers::Load(Plan plan, const std::string& folder, int threads) {
  auto layers = std::make_unique<Layers>();
  layers->plan = std::move(plan);
  layers->threads = threads;
  const bool bfloat = layers->plan.precision == Precision::kBfloat16 && HasBfloat16();
  layers->element = bfloat ? Element::kBfloat16 : Element::kFloat32;
  if (layers->plan.weights_floats > 0) {
    auto file = SideFile::Open(folder, layers->plan.weights_name, layers->plan.weights_floats);
    if (!file.ok()) return file.status();
    layers->file = std::move(file.value());
  }
  const float* data = layers->file ? layers->file->data() : nullptr;
  layers->parameters.resize(layers->plan.steps.size());
  for (size_t i = 0; i < layers->plan.steps.size(); ++i) {
    Step& step = layers->plan.steps[i];
    LayerParameters& parameters = layers->parameters[i];
    if (step.kind == StepKind::kConv) {
      parameters.weights = WeightCache(folder, WeightsIdentity(layers->plan, step));
    }
    const int64_t channels = layers->plan.value_channels[static_cast<size_t>(step.out)];
    if (step.bias != kNoOffset) parameters.bias = Cyclic(data + step.bias, channels);
    if (step.scale != kNoOffset) parameters.scale = Cyclic(data + step.scale, channels);
    if (step.shift != kNoOffset) parameters.shift = Cyclic(data + step.shift, channels);
    if (step.slope != kNoOffset) {
      parameters.slope = Cyclic(data + step.slope, channels);
      step.activation.slopes = parameters.slope.data();
    }
  }
  return layers;
}

ConvProblem Layers::Problem(size_t step, const Volume& in, const Volume& out,
                            int run_threads) const {
  ConvProblem problem;
  problem.step = &plan.steps[step];
  problem.in = in;
  problem.out = out;
  problem.element = element;
  problem.weights = file->data() + plan.steps[step].weight;
  problem.bias = parameters[step].bias.empty() ? nullptr : parameters[step].bias.data();
  problem.threads = run_threads;
  return problem;
}

size_t Layers::weights_bytes() const {
  size_t sum = 0;
  for (const LayerParameters& layer : parameters) {
    sum += layer.weights.bytes() +
           (layer.bias.size() + layer.scale.size() + layer.shift.size() + layer.slope.size()) *
               sizeof(float);
  }
  return sum;
}

}  // namespace sentinode::ops
