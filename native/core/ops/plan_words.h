// The words of a plan, and what they stand for.
#pragma once

#include <string_view>

#include "core/ops/plan.h"

namespace sentinode::ops {

struct StepWord {
  std::string_view word;
  StepKind kind;
};
inline constexpr StepWord kSteps[] = {
    {"conv", StepKind::kConv},
    {"max_pool", StepKind::kMaxPool},
    {"average_pool", StepKind::kAveragePool},
    {"global_average_pool", StepKind::kGlobalAveragePool},
    {"global_max_pool", StepKind::kGlobalMaxPool},
    {"channel_mean", StepKind::kChannelMean},
    {"channel_max", StepKind::kChannelMax},
    {"scale_shift", StepKind::kScaleShift},
    {"instance_norm", StepKind::kInstanceNorm},
    {"group_norm", StepKind::kGroupNorm},
    {"channel_norm", StepKind::kChannelNorm},
    {"activation", StepKind::kActivation},
    {"concat", StepKind::kConcat},
    {"resize", StepKind::kResize},
    {"shuffle", StepKind::kShuffle},
    {"add", StepKind::kAdd},
    {"sub", StepKind::kSub},
    {"mul", StepKind::kMul},
    {"div", StepKind::kDiv},
    {"max", StepKind::kMax},
    {"min", StepKind::kMin},
};

struct ActivationWord {
  std::string_view word;
  ActivationKind kind;
  // Which keys it has besides.
  bool alpha = false;
  bool beta = false;
};
inline constexpr ActivationWord kActivations[] = {
    {"none", ActivationKind::kNone},
    {"relu", ActivationKind::kRelu},
    {"leaky_relu", ActivationKind::kLeakyRelu, true},
    {"prelu", ActivationKind::kPrelu},
    {"clip", ActivationKind::kClip},
    {"sigmoid", ActivationKind::kSigmoid},
    {"tanh", ActivationKind::kTanh},
    {"silu", ActivationKind::kSilu, true},
    {"gelu", ActivationKind::kGelu},
    {"gelu_tanh", ActivationKind::kGeluTanh},
    {"mish", ActivationKind::kMish},
    {"elu", ActivationKind::kElu, true, true},
    {"softplus", ActivationKind::kSoftplus},
    {"hard_swish", ActivationKind::kHardSwish},
    {"hard_sigmoid", ActivationKind::kHardSigmoid, true, true},
    {"softsign", ActivationKind::kSoftsign},
    {"erf", ActivationKind::kErf},
    {"exp", ActivationKind::kExp},
    {"sqrt", ActivationKind::kSqrt},
    {"abs", ActivationKind::kAbs},
    {"reciprocal", ActivationKind::kReciprocal},
    {"quantize", ActivationKind::kQuantize, true, true},
};

// Words in the order of their enumeration.
inline constexpr std::string_view kResizeModes[] = {"nearest", "linear"};
inline constexpr std::string_view kCoordinates[] = {
    "half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric"};
inline constexpr std::string_view kRoundings[] = {"round_prefer_floor", "round_prefer_ceil",
                                                  "floor", "ceil"};

}  // namespace sentinode::ops
