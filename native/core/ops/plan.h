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
  kChannelMean,
  kChannelMax,
  kScaleShift,
  kInstanceNorm,
  kGroupNorm,
  kChannelNorm,
  kActivation,
  kConcat,
  kResize,
  kShuffle,
  kAdd,
  kSub,
  kMul,
  kDiv,
  kMax,
  kMin,
};

// Elementwise over two values, where an axis of one position is spread.
inline bool IsPair(StepKind kind) { return kind >= StepKind::kAdd; }

enum class ActivationKind {
  kNone,
  kRelu,
  kLeakyRelu,
  kPrelu,
  kClip,
  // From here on, and only from here on, curves: a call for each vector.
  kSigmoid,
  kTanh,
  kSilu,
  kGelu,
  kGeluTanh,
  kMish,
  kElu,
  kSoftplus,
  kHardSwish,
  kHardSigmoid,
  kSoftsign,
  kErf,
  kExp,
  kSqrt,
  kAbs,
  kReciprocal,
  kQuantize,
};

struct Activation {
  ActivationKind kind = ActivationKind::kNone;
  float alpha = 0;
  float beta = 0;
  float min = -std::numeric_limits<float>::infinity();
  float max = std::numeric_limits<float>::infinity();
  // Of prelu: the slope of the first channel under the vector, then as Cyclic gives them.
  const float* slopes = nullptr;
};

enum class ResizeMode { kNearest, kLinear };
// ONNX's coordinate_transformation_mode and nearest_mode.
enum class Coordinates {
  kHalfPixel,
  kHalfPixelSymmetric,
  kPytorchHalfPixel,
  kAlignCorners,
  kAsymmetric
};
enum class Rounding { kRoundPreferFloor, kRoundPreferCeil, kFloor, kCeil };

struct Resize {
  ResizeMode mode = ResizeMode::kNearest;
  Coordinates coordinates = Coordinates::kHalfPixel;
  Rounding rounding = Rounding::kRoundPreferFloor;
  std::array<float, 4> scales{1, 1, 1, 1};
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
  bool centred = true;  // of a channel norm
  // Of global pools: the axes T, D, H, W that are reduced, the last ones.
  std::array<bool, 4> axes{true, true, true, true};
  Resize resize;
  // Of a shuffle: positions that a channel's group becomes, and what is cut off at the ends.
  std::array<int, 4> factors{1, 1, 1, 1};
  std::array<int, 8> cuts{};
  // In floats into the side file.
  int64_t weight = kNoOffset;
  int64_t bias = kNoOffset;
  int64_t scale = kNoOffset;
  int64_t shift = kNoOffset;
  int64_t slope = kNoOffset;
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
