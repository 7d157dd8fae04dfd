#include "core/ops/program.h"

#include <algorithm>
#include <utility>

#include "core/base/cancel.h"
#include "core/ops/arena.h"
#include "core/ops/parallel.h"

namespace sentinode::ops {
namespace {

// Steps that may write where they read.
bool MayRunInPlace(StepKind kind) {
  switch (kind) {
    case StepKind::kScaleShift:
    case StepKind::kInstanceNorm:
    case StepKind::kGroupNorm:
    case StepKind::kChannelNorm:
    case StepKind::kActivation:
      return true;
    default:
      return IsPair(kind);
  }
}

// Values that a step reads.
std::vector<int> Reads(const Step& step) {
  std::vector<int> values = step.in;
  if (step.residual != kNoValue) values.push_back(step.residual);
  return values;
}

size_t Index(int value) { return static_cast<size_t>(value); }

// Of a value that lies in the arena, and of one that a convolution reads or writes at the border.
constexpr int kInside = -1;
constexpr int kElsewhere = -2;

}  // namespace

int PoolAfter(const Plan& plan, size_t index) {
  if (plan.steps[index].residual != kNoValue) return -1;
  const int value = plan.steps[index].out;
  if (std::find(plan.outputs.begin(), plan.outputs.end(), value) != plan.outputs.end()) return -1;
  int reader = -1;
  for (size_t i = index + 1; i < plan.steps.size(); ++i) {
    const std::vector<int> reads = Reads(plan.steps[i]);
    if (std::find(reads.begin(), reads.end(), value) == reads.end()) continue;
    if (reader != -1) return -1;
    reader = static_cast<int>(i);
  }
  if (reader == -1) return -1;
  // What lies between the two must not need the pool's place.
  const bool next = Index(reader) == index + 1;
  return FollowsBlocks(plan.steps[Index(reader)]) && next ? reader : -1;
}

Result<std::unique_ptr<Program>> Program::Make(Layers& layers, const std::vector<Volume>& inputs,
                                               int threads, const std::vector<bool>& tried) {
  Result<std::vector<Volume>> volumes = PropagateVolumes(layers.plan, inputs);
  if (!volumes.ok()) return volumes.status();
  std::unique_ptr<Program> program(new Program(layers, threads));
  program->input_volumes_ = inputs;
  program->volumes_ = std::move(volumes.value());
  program->forms_.resize(layers.plan.steps.size());
  program->choices_.resize(layers.plan.steps.size());
  program->pool_.assign(layers.plan.steps.size(), -1);
  program->pooled_.assign(layers.plan.steps.size(), false);
  SENTINODE_RETURN_IF_ERROR(program->ChooseForms(tried));
  program->PlanMemory();
  return program;
}

// Layers beside each other: to make primitives and to prepare weights takes a while, in which the
// first run of a size waits.
Status Program::ChooseForms(const std::vector<bool>& tried) {
  std::vector<size_t> convolutions;
  for (size_t step = 0; step < layers_.plan.steps.size(); ++step) {
    const bool convolves = layers_.plan.steps[step].kind == StepKind::kConv;
    if (convolves && (tried.empty() || !tried[step])) convolutions.push_back(step);
  }
  // The longest first, so that nobody is left with it at the end.
  const auto weights = [this](size_t step) {
    const Step& s = layers_.plan.steps[step];
    return int64_t{s.channels} * volumes_[Index(s.in[0])].c / s.groups;
  };
  std::stable_sort(convolutions.begin(), convolutions.end(),
                   [&](size_t a, size_t b) { return weights(a) > weights(b); });
  std::vector<Status> statuses(convolutions.size());
  ParallelForDynamic(static_cast<int64_t>(convolutions.size()), [&](int64_t i) {
    const auto at = static_cast<size_t>(i);
    try {
      statuses[at] = ChooseForm(convolutions[at], !tried.empty());
    } catch (const std::exception& error) {
      statuses[at] = Status("INTERNAL", error.what());
    }
  });
  for (const size_t step : convolutions) {
    if (pool_[step] >= 0) pooled_[Index(pool_[step])] = true;
  }
  for (const Status& status : statuses) SENTINODE_RETURN_IF_ERROR(status);
  return Status::Ok();
}

Status Program::ChooseForm(size_t index, bool tuning) {
  const Step& step = layers_.plan.steps[index];
  ConvProblem problem =
      layers_.Problem(index, volumes_[Index(step.in[0])], volumes_[Index(step.out)], threads_);
  const int pool = tuning ? -1 : PoolAfter(layers_.plan, index);
  if (pool >= 0) {
    problem.pool = &layers_.plan.steps[Index(pool)];
    problem.pooled = volumes_[Index(problem.pool->out)];
  }
  problem.planar_in = !tuning && BorderInput(index) >= 0;
  problem.planar_out = !tuning && BorderOutput(index) >= 0;
  const std::vector<ConvChoice> possible = ConvCandidates(problem, layers_.plan.exact_taps);
  const TuningEntry* entry = layers_.tuning.Nearest(static_cast<int>(index), problem.in);
  // Without a measurement nothing is known of a fast form's error: the last candidate is exact.
  // What oneDNN refuses, the tiled form does.
  const ConvChoice wanted = entry != nullptr ? Fit(problem, entry->choice) : possible.back();
  for (const ConvChoice& choice : {wanted, possible.back()}) {
    auto form = MakeConvForm(problem, choice, layers_.parameters[index].weights);
    if (form.ok()) {
      forms_[index] = std::move(form.value());
      choices_[index] = choice;
      if (pool >= 0 && forms_[index]->Pools()) pool_[index] = pool;
      return Status::Ok();
    }
  }
  return Status("INTERNAL", "a convolution has no form");
}

// The region's input that a convolution alone reads, and might read as it is; or -1.
int Program::BorderInput(size_t index) const {
  const Plan& plan = layers_.plan;
  const int value = plan.steps[index].in[0];
  int reads = 0;
  for (const Step& step : plan.steps) {
    const std::vector<int> values = Reads(step);
    reads += static_cast<int>(std::count(values.begin(), values.end(), value));
  }
  for (size_t i = 0; reads == 1 && i < plan.inputs.size(); ++i) {
    if (plan.inputs[i].value == value) return static_cast<int>(i);
  }
  return -1;
}

// The region's output that a convolution might write as it is; or -1.
int Program::BorderOutput(size_t index) const {
  const Plan& plan = layers_.plan;
  const int value = plan.steps[index].out;
  for (const Step& step : plan.steps) {
    const std::vector<int> values = Reads(step);
    if (std::find(values.begin(), values.end(), value) != values.end()) return -1;
  }
  const auto found = std::find(plan.outputs.begin(), plan.outputs.end(), value);
  return found == plan.outputs.end() ? -1 : static_cast<int>(found - plan.outputs.begin());
}

// Which values lie outside the arena, and which are converted before or after a step.
void Program::PlanBorders(const std::vector<int>& first) {
  const Plan& plan = layers_.plan;
  loads_.resize(plan.steps.size());
  stores_.resize(plan.steps.size());
  planar_in_.assign(plan.steps.size(), -1);
  planar_out_.assign(plan.steps.size(), -1);
  external_.assign(volumes_.size(), kInside);
  for (size_t step = 0; step < plan.steps.size(); ++step) {
    if (forms_[step] == nullptr) continue;
    if (forms_[step]->TakesPlanarIn()) planar_in_[step] = BorderInput(step);
    if (forms_[step]->TakesPlanarOut()) planar_out_[step] = BorderOutput(step);
    if (planar_in_[step] >= 0) external_[Index(plan.steps[step].in[0])] = kElsewhere;
    if (planar_out_[step] >= 0) external_[Index(plan.steps[step].out)] = kElsewhere;
  }
  for (size_t i = 0; i < plan.inputs.size(); ++i) {
    const size_t value = Index(plan.inputs[i].value);
    if (first[value] < 0 || external_[value] == kElsewhere) continue;
    const Volume& v = volumes_[value];
    if ((v.c == 1 || v.positions() == 1) && layers_.element == Element::kFloat32) {
      external_[value] = static_cast<int>(i);  // the same in both layouts
    } else {
      loads_[static_cast<size_t>(first[value])].push_back(i);
    }
  }
  for (size_t i = 0; i < plan.outputs.size(); ++i) {
    const size_t value = Index(plan.outputs[i]);
    if (external_[value] != kElsewhere) stores_[static_cast<size_t>(first[value])].push_back(i);
  }
}

void Program::PlanMemory() {
  const Plan& plan = layers_.plan;
  const size_t values = volumes_.size();
  const int none = -1;
  std::vector<int> first(values, none);
  std::vector<int> last(values, none);
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    const int now = static_cast<int>(i);
    for (const int value : Reads(plan.steps[i])) {
      if (first[Index(value)] == none) first[Index(value)] = now;
      last[Index(value)] = now;
    }
    first[Index(plan.steps[i].out)] = last[Index(plan.steps[i].out)] = now;
  }
  PlanBorders(first);
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    if (pool_[i] < 0) continue;
    external_[Index(plan.steps[i].out)] = kElsewhere;
    first[Index(plan.steps[Index(pool_[i])].out)] = static_cast<int>(i);
  }

  // A step that runs in place gives its output the buffer of the input that dies with it.
  std::vector<size_t> buffer_of(values, SIZE_MAX);
  std::vector<Lifetime> buffers;
  const auto place = [&](int value) {
    const size_t v = Index(value);
    if (buffer_of[v] != SIZE_MAX || external_[v] != kInside || first[v] == none) return;
    buffer_of[v] = buffers.size();
    const size_t bytes = static_cast<size_t>(volumes_[v].elements()) * ElementSize(layers_.element);
    buffers.push_back({bytes, first[v], last[v]});
  };
  for (const PlanInput& input : plan.inputs) place(input.value);
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    const Step& step = plan.steps[i];
    for (const int value : step.in) {
      const size_t v = Index(value);
      if (MayRunInPlace(step.kind) && buffer_of[v] != SIZE_MAX &&
          buffers[buffer_of[v]].last == static_cast<int>(i) &&
          volumes_[v] == volumes_[Index(step.out)] && buffer_of[Index(step.out)] == SIZE_MAX) {
        buffer_of[Index(step.out)] = buffer_of[v];
        buffers[buffer_of[v]].last = last[Index(step.out)];
      }
    }
    place(step.out);
  }
  const size_t workspaces = buffers.size();
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    const size_t bytes = forms_[i] ? forms_[i]->workspace_bytes() : 0;
    buffers.push_back({bytes, static_cast<int>(i), static_cast<int>(i)});
  }
  const ArenaPlan arena = PlanArena(buffers);
  arena_bytes_ = arena.bytes;
  offsets_.assign(values, 0);
  for (size_t v = 0; v < values; ++v) {
    if (buffer_of[v] != SIZE_MAX) offsets_[v] = arena.offsets[buffer_of[v]];
  }
  workspace_offsets_.assign(arena.offsets.begin() + static_cast<ptrdiff_t>(workspaces),
                            arena.offsets.end());
}

Tensor Program::At(int value, const Row& row) const {
  const size_t v = Index(value);
  Tensor tensor;
  tensor.volume = volumes_[v];
  tensor.element = layers_.element;
  // Values that come from outside are only read.
  tensor.data = external_[v] >= 0
                    ? const_cast<float*>(row.inputs[static_cast<size_t>(external_[v])])
                    : static_cast<void*>(row.arena + offsets_[v]);
  return tensor;
}

void Program::BeforeStep(size_t step, const Row& row) const {
  for (const size_t input : loads_[step]) {
    Interleave(row.inputs[input], At(layers_.plan.inputs[input].value, row));
  }
}

void Program::AfterStep(size_t step, const Row& row) const {
  for (const size_t output : stores_[step]) {
    Deinterleave(At(layers_.plan.outputs[output], row), row.outputs[output]);
  }
}

ConvForm::Buffers Program::ConvBuffers(size_t index, const Row& row) const {
  const Step& step = layers_.plan.steps[index];
  ConvForm::Buffers buffers;
  buffers.in = At(step.in[0], row).data;
  const int out = pool_[index] < 0 ? step.out : layers_.plan.steps[Index(pool_[index])].out;
  buffers.out = At(out, row).data;
  if (step.residual != kNoValue) buffers.residual = At(step.residual, row).data;
  if (planar_in_[index] >= 0) {
    buffers.planar_in = row.inputs[static_cast<size_t>(planar_in_[index])];
  }
  if (planar_out_[index] >= 0) {
    buffers.planar_out = row.outputs[static_cast<size_t>(planar_out_[index])];
  }
  buffers.workspace = row.arena + workspace_offsets_[index];
  return buffers;
}

Status Program::RunStep(size_t index, const Row& row) const {
  const Step& step = layers_.plan.steps[index];
  if (pooled_[index]) return Status::Ok();  // done with the convolution before it
  const LayerParameters& parameters = layers_.parameters[index];
  const Tensor in = At(step.in[0], row);
  const Tensor out = At(step.out, row);
  switch (step.kind) {
    case StepKind::kConv:
      return forms_[index]->Run(ConvBuffers(index, row));
    case StepKind::kMaxPool:
    case StepKind::kAveragePool:
      RunPool(step, in, out);
      break;
    case StepKind::kGlobalAveragePool:
    case StepKind::kGlobalMaxPool:
      RunGlobalPool(step, in, out);
      break;
    case StepKind::kChannelMean:
    case StepKind::kChannelMax:
      RunChannelPool(step, in, out);
      break;
    case StepKind::kScaleShift:
      RunScaleShift(in, parameters.scale.data(), parameters.shift.data(), step.activation, out);
      break;
    case StepKind::kInstanceNorm:
    case StepKind::kGroupNorm:
      RunNorm(step, in, parameters.scale.data(), parameters.shift.data(), out);
      break;
    case StepKind::kChannelNorm:
      RunChannelNorm(step, in, parameters.scale.data(), parameters.shift.data(), out);
      break;
    case StepKind::kResize:
      RunResize(step.resize, in, out);
      break;
    case StepKind::kShuffle:
      RunShuffle(step, in, out);
      break;
    case StepKind::kActivation:
      RunActivation(step.activation, in, out);
      break;
    case StepKind::kConcat: {
      std::vector<Tensor> tensors;
      for (const int value : step.in) tensors.push_back(At(value, row));
      RunConcat(tensors, out);
      break;
    }
    case StepKind::kAdd:
    case StepKind::kSub:
    case StepKind::kMul:
    case StepKind::kDiv:
    case StepKind::kMax:
    case StepKind::kMin:
      RunPair(step, in, At(step.in[1], row), out);
      break;
  }
  return Status::Ok();
}

Status Program::Run(int64_t index, const std::vector<const float*>& inputs,
                    const std::vector<float*>& outputs, uint8_t* arena) const {
  std::vector<const float*> row_inputs = inputs;
  std::vector<float*> row_outputs = outputs;
  for (size_t i = 0; i < inputs.size(); ++i) row_inputs[i] += index * input_volumes_[i].elements();
  for (size_t i = 0; i < outputs.size(); ++i) {
    row_outputs[i] += index * output_volume(i).elements();
  }
  const Row row{row_inputs, row_outputs, arena};
  for (size_t step = 0; step < layers_.plan.steps.size(); ++step) {
    if (CancelRequested()) return Cancelled();
    BeforeStep(step, row);
    SENTINODE_RETURN_IF_ERROR(RunStep(step, row));
    AfterStep(step, row);
  }
  return Status::Ok();
}

double Program::flops() const {
  double sum = 0;
  for (const Step& step : layers_.plan.steps) {
    if (step.kind != StepKind::kConv) continue;
    sum += ConvFlops(step, volumes_[Index(step.in[0])], volumes_[Index(step.out)]);
  }
  return sum;
}

}  // namespace sentinode::ops
