// The plan of a region: what the compiler wrote, parsed and checked. The format is in README.md.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/status.h"

namespace sentinode::ops {

enum class StepKind {
  kConv,
  kMaxPool,
  kAveragePool,
  kGlobalAveragePool,
  kGlobalMaxPool,
  kScaleShift,
  kInstanceNorm,
  kGroupNorm,
  kActivation,
  kConcat,
  kAdd,
  kMul,
};

enum class ActivationKind { kNone, kRelu, kLeakyRelu, kClip, kSigmoid, kTanh };

struct Activation {
  ActivationKind kind = ActivationKind::kNone;
  float alpha = 0;  // slope of leaky_relu
  float min = -std::numeric_limits<float>::infinity();
  float max = std::numeric_limits<float>::infinity();
};

enum class Precision { kFloat32, kBfloat16 };

// Axes in the order T, D, H, W; pads are four begins and four ends.
struct Window {
  std::array<int, 4> kernel{1, 1, 1, 1};
  std::array<int, 4> strides{1, 1, 1, 1};
  std::array<int, 4> dilations{1, 1, 1, 1};
  std::array<int, 8> pads{};
};

inline constexpr int64_t kNoOffset = -1;
inline constexpr int kNoValue = -1;

struct Step {
  StepKind kind = StepKind::kActivation;
  std::vector<int> in;
  int out = kNoValue;
  int residual = kNoValue;
  int channels = 0;  // of the output of a conv
  int groups = 1;
  Window window;
  bool ceil_mode = false;
  bool count_include_pad = false;
  float epsilon = 0;
  // In floats into the side file.
  int64_t weight = kNoOffset;
  int64_t bias = kNoOffset;
  int64_t scale = kNoOffset;
  int64_t shift = kNoOffset;
  Activation activation;
};

struct PlanInput {
  int value = kNoValue;
  int channels = 0;
};

struct Plan {
  std::string weights_name;  // "" where no step has weights
  Precision precision = Precision::kFloat32;
  bool exact_taps = false;
  bool open_frames = false;
  std::vector<std::vector<int64_t>> hints;  // four numbers for each input
  std::vector<PlanInput> inputs;
  std::vector<Step> steps;
  std::vector<int> outputs;
  // Channels of each value, 0 for a number that no line defines.
  std::vector<int> value_channels;
  // Floats that the side file must hold.
  int64_t weights_floats = 0;
};

// Parses and checks a whole plan: every value is defined before its use, every number is in range,
// channels agree. Fails with MODEL_INVALID and the line.
Result<Plan> ParsePlan(std::string_view text);

}  // namespace sentinode::ops
