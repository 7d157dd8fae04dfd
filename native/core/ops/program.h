// A plan made ready for one size of its inputs: where every value lies, and a form for every
// convolution.
#pragma once

#include <memory>
#include <vector>

#include "core/base/status.h"
#include "core/ops/conv.h"
#include "core/ops/geometry.h"
#include "core/ops/layers.h"
#include "core/ops/steps.h"

namespace sentinode::ops {

// The max pool that alone reads what a convolution writes, and can be applied to it block by block;
// or -1.
int PoolAfter(const Plan& plan, size_t step);

class Program {
 public:
  // For rows that run on `threads` threads, which must be OpenMP's number on the calling thread.
  // `tried` says, by step, which convolutions the tuner runs in forms of its own (empty outside of
  // tuning): they get none here, and all values lie inside. The layers must outlive the program.
  static Result<std::unique_ptr<Program>> Make(Layers& layers, const std::vector<Volume>& inputs,
                                               int threads, const std::vector<bool>& tried = {});

  // Row `row` of a batch: planar float32 [row][c][t][d][h][w] in and out, in the plan's order.
  // `arena` has arena_bytes(). Several threads may run one program, each with an arena of its own.
  // Fails with CANCELLED.
  Status Run(int64_t row, const std::vector<const float*>& inputs,
             const std::vector<float*>& outputs, uint8_t* arena) const;

  int threads() const { return threads_; }
  size_t arena_bytes() const { return arena_bytes_; }
  // Of all convolutions of a row.
  double flops() const;

  const std::vector<Volume>& volumes() const { return volumes_; }
  const Volume& output_volume(size_t index) const {
    return volumes_[static_cast<size_t>(layers_.plan.outputs[index])];
  }
  const std::vector<Volume>& input_volumes() const { return input_volumes_; }
  const std::vector<ConvChoice>& choices() const { return choices_; }

  // The memory of a row's values, for those who run step by step.
  struct Row {
    const std::vector<const float*>& inputs;
    const std::vector<float*>& outputs;
    uint8_t* arena;
  };
  void BeforeStep(size_t step, const Row& row) const;
  Status RunStep(size_t step, const Row& row) const;
  void AfterStep(size_t step, const Row& row) const;
  ConvForm::Buffers ConvBuffers(size_t step, const Row& row) const;

 private:
  Program(Layers& layers, int threads) : layers_(layers), threads_(threads) {}
  Status ChooseForms(const std::vector<bool>& tried);
  Status ChooseForm(size_t step, bool tuning);
  int BorderInput(size_t step) const;
  int BorderOutput(size_t step) const;
  void PlanBorders(const std::vector<int>& first);
  void PlanMemory();
  Tensor At(int value, const Row& row) const;

  Layers& layers_;
  const int threads_;
  std::vector<Volume> input_volumes_;
  std::vector<Volume> volumes_;                   // by value
  std::vector<std::unique_ptr<ConvForm>> forms_;  // by step, null for other steps
  std::vector<ConvChoice> choices_;               // by step
  // Index of a region input whose memory serves as the value itself, kElsewhere or kInside; by
  // value.
  std::vector<int> external_;
  // Index of the region input or output that a step converts itself, or -1; by step.
  std::vector<int> planar_in_;
  std::vector<int> planar_out_;
  // The pool that a convolution applies, and whether a step is such a pool; by step.
  std::vector<int> pool_;
  std::vector<bool> pooled_;
  std::vector<size_t> offsets_;              // by value
  std::vector<size_t> workspace_offsets_;    // by step
  std::vector<std::vector<size_t>> loads_;   // by step: inputs that are converted before it
  std::vector<std::vector<size_t>> stores_;  // by step: outputs that are converted after it
  size_t arena_bytes_ = 0;
};

}  // namespace sentinode::ops
