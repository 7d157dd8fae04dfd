#include "core/ops/plan.h"

#include <algorithm>
#include <optional>

#include "core/ops/plan_fields.h"
#include "core/ops/plan_words.h"

namespace sentinode::ops {
namespace {

constexpr int kMaxValue = 65535;
constexpr int kMaxChannels = 16384;
constexpr size_t kMaxInputs = 64;
constexpr size_t kMaxSteps = 4096;
constexpr size_t kMaxHints = 8;
constexpr int64_t kMaxDimension = int64_t{1} << 24;
constexpr int64_t kMaxFloats = int64_t{1} << 40;

// Products of a shuffle's factors: channels that become positions.
constexpr int64_t kMostFactors = 4096;

template <typename Enum, size_t kCount>
Enum OneOf(PlanFields& fields, std::string_view key, const std::string_view (&words)[kCount]) {
  const std::string_view word = fields.Word(key);
  const auto found = std::find(std::begin(words), std::end(words), word);
  if (found != std::end(words)) return static_cast<Enum>(found - std::begin(words));
  if (fields.ok())
    fields.Fail("unknown " + std::string(key) + " '" + std::string(word.substr(0, 32)) + "'");
  return Enum{};
}

std::optional<StepKind> FindStep(std::string_view word) {
  for (const StepWord& step : kSteps) {
    if (step.word == word) return step.kind;
  }
  return std::nullopt;
}

bool IsWeightsName(std::string_view name) {
  constexpr std::string_view kSuffix = ".weights";
  if (name.size() != 64 + kSuffix.size() || name.substr(64) != kSuffix) return false;
  return std::all_of(name.begin(), name.begin() + 64,
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

class Parser {
 public:
  Result<Plan> Parse(std::string_view text);

 private:
  // Lines come in this order; a line moves the parser on, never back.
  enum class Part { kRegion, kWeights, kPrecision, kExactTaps, kInputs, kSteps, kOutputs };

  Status ParseLine(std::string_view line);
  Status ParseHeader(std::string_view line, bool* handled);
  void ParseHint(PlanFields& fields);
  void ParseInput(PlanFields& fields);
  void ParseStep(StepKind kind, PlanFields& fields);
  void ParseOutput(PlanFields& fields);

  void ParseWindow(PlanFields& fields, bool dilations, Step& step);
  void ParseActivation(PlanFields& fields, int64_t channels, Step& step);
  int64_t ParseShuffle(PlanFields& fields, int64_t channels, Step& step);
  void ParseResize(PlanFields& fields, Resize& resize);
  void ParseConv(PlanFields& fields, Step& step);
  void ParsePool(PlanFields& fields, Step& step);
  // A defined value, and its channels.
  int Use(PlanFields& fields, int64_t value);
  int ChannelsOf(int value) const;
  void Define(PlanFields& fields, int value, int64_t channels);
  int64_t Floats(PlanFields& fields, std::string_view key, int64_t count);
  Status Fault(const std::string& message) const;

  Plan plan_;
  Part part_ = Part::kRegion;
  int line_number_ = 0;
};

Status Parser::Fault(const std::string& message) const {
  return Status("MODEL_INVALID",
                "plan of a 4D region, line " + std::to_string(line_number_) + ": " + message);
}

Result<Plan> Parser::Parse(std::string_view text) {
  for (size_t start = 0; start < text.size();) {
    const size_t end = std::min(text.find('\n', start), text.size());
    ++line_number_;
    const std::string_view line = text.substr(start, end - start);
    if (!line.empty()) SENTINODE_RETURN_IF_ERROR(ParseLine(line));
    start = end + 1;
  }
  if (part_ != Part::kOutputs) return Fault("the plan ends before an output");
  const size_t numbers = plan_.inputs.size() * 4;
  for (const std::vector<int64_t>& hint : plan_.hints) {
    if (hint.size() != numbers) return Fault("a hint needs four numbers for each input");
  }
  if (plan_.weights_floats > 0 && plan_.weights_name.empty()) {
    return Fault("steps have weights, but no file is named");
  }
  return std::move(plan_);
}

Status Parser::ParseLine(std::string_view line) {
  bool handled = false;
  SENTINODE_RETURN_IF_ERROR(ParseHeader(line, &handled));
  if (handled) return Status::Ok();
  if (part_ < Part::kInputs) return Fault("the header is not complete");

  PlanFields fields(line_number_, line);
  if (fields.word() == "hint" && plan_.inputs.empty()) {
    ParseHint(fields);
  } else if (fields.word() == "input" && part_ <= Part::kInputs) {
    part_ = Part::kInputs;
    ParseInput(fields);
  } else if (fields.word() == "output" && !plan_.inputs.empty()) {
    part_ = Part::kOutputs;
    ParseOutput(fields);
  } else if (const auto kind = FindStep(fields.word());
             kind && !plan_.inputs.empty() && part_ <= Part::kSteps) {
    part_ = Part::kSteps;
    ParseStep(*kind, fields);
  } else {
    fields.Fail("'" + std::string(fields.word().substr(0, 32)) + "' is not expected here");
  }
  return fields.Finish();
}

Status Parser::ParseHeader(std::string_view line, bool* handled) {
  *handled = true;
  const size_t space = std::min(line.find(' '), line.size());
  const std::string_view word = line.substr(0, space);
  const std::string_view value = line.substr(std::min(space + 1, line.size()));
  if (part_ == Part::kRegion) {
    if (line != "region 1") return Fault("expected 'region 1'");
    part_ = Part::kWeights;
  } else if (part_ == Part::kWeights && word == "weights") {
    if (!IsWeightsName(value)) return Fault("expected '<64 hex digits>.weights'");
    plan_.weights_name = std::string(value);
    part_ = Part::kPrecision;
  } else if (part_ <= Part::kPrecision && word == "precision") {
    if (value != "fp32" && value != "bf16") return Fault("expected precision fp32 or bf16");
    plan_.precision = value == "bf16" ? Precision::kBfloat16 : Precision::kFloat32;
    part_ = Part::kExactTaps;
  } else if (part_ == Part::kExactTaps && word == "exact_taps") {
    if (value != "0" && value != "1") return Fault("expected exact_taps 0 or 1");
    plan_.exact_taps = value == "1";
    part_ = Part::kInputs;
  } else if (part_ == Part::kInputs && word == "open_frames" && plan_.inputs.empty()) {
    if (value != "0" && value != "1") return Fault("expected open_frames 0 or 1");
    plan_.open_frames = value == "1";
  } else {
    *handled = false;
  }
  return Status::Ok();
}

void Parser::ParseHint(PlanFields& fields) {
  if (plan_.hints.size() == kMaxHints) fields.Fail("too many hints");
  plan_.hints.push_back(fields.Integers("shape", 0, 1, kMaxDimension));
}

void Parser::ParseInput(PlanFields& fields) {
  if (plan_.inputs.size() == kMaxInputs) fields.Fail("too many inputs");
  PlanInput input;
  input.value = static_cast<int>(fields.Integer("value", 0, kMaxValue));
  input.channels = static_cast<int>(fields.Integer("channels", 1, kMaxChannels));
  Define(fields, input.value, input.channels);
  plan_.inputs.push_back(input);
}

void Parser::ParseOutput(PlanFields& fields) {
  if (plan_.outputs.size() == kMaxInputs) fields.Fail("too many outputs");
  const int value = Use(fields, fields.Integer("value", 0, kMaxValue));
  const auto is_value = [value](const PlanInput& input) { return input.value == value; };
  if (std::any_of(plan_.inputs.begin(), plan_.inputs.end(), is_value)) {
    fields.Fail("an input is not an output");
  }
  if (std::find(plan_.outputs.begin(), plan_.outputs.end(), value) != plan_.outputs.end()) {
    fields.Fail("an output is listed twice");
  }
  plan_.outputs.push_back(value);
}

int Parser::ChannelsOf(int value) const {
  const size_t index = static_cast<size_t>(value);
  return index < plan_.value_channels.size() ? plan_.value_channels[index] : 0;
}

int Parser::Use(PlanFields& fields, int64_t value) {
  if (fields.ok() && ChannelsOf(static_cast<int>(value)) == 0) {
    fields.Fail("value " + std::to_string(value) + " is used before it is defined");
  }
  return static_cast<int>(value);
}

void Parser::Define(PlanFields& fields, int value, int64_t channels) {
  if (!fields.ok()) return;
  if (ChannelsOf(value) != 0) {
    fields.Fail("value " + std::to_string(value) + " is defined twice");
    return;
  }
  if (channels > kMaxChannels) {
    fields.Fail("more than " + std::to_string(kMaxChannels) + " channels");
    return;
  }
  const size_t index = static_cast<size_t>(value);
  if (plan_.value_channels.size() <= index) plan_.value_channels.resize(index + 1, 0);
  plan_.value_channels[index] = static_cast<int>(channels);
}

int64_t Parser::Floats(PlanFields& fields, std::string_view key, int64_t count) {
  const int64_t offset = fields.Integer(key, 0, kMaxFloats);
  plan_.weights_floats = std::max(plan_.weights_floats, offset + count);
  return offset;
}

void Parser::ParseWindow(PlanFields& fields, bool dilations, Step& step) {
  const auto four = [&fields](std::string_view key, int64_t highest, std::array<int, 4>& to) {
    const std::vector<int64_t> values = fields.Integers(key, 4, 1, highest);
    std::transform(values.begin(), values.end(), to.begin(),
                   [](int64_t v) { return static_cast<int>(v); });
  };
  four("kernel", 63, step.window.kernel);
  if (step.window.kernel[0] > 31) fields.Fail("a kernel reaches at most 31 frames");
  four("strides", 255, step.window.strides);
  if (dilations) four("dilations", 255, step.window.dilations);
  const std::vector<int64_t> pads = fields.Integers("pads", 8, 0, 255);
  std::transform(pads.begin(), pads.end(), step.window.pads.begin(),
                 [](int64_t v) { return static_cast<int>(v); });
}

void Parser::ParseActivation(PlanFields& fields, int64_t channels, Step& step) {
  if (!fields.Has("activation")) return;
  Activation& activation = step.activation;
  const std::string_view word = fields.Word("activation");
  const auto known = std::find_if(std::begin(kActivations), std::end(kActivations),
                                  [word](const ActivationWord& a) { return a.word == word; });
  if (known == std::end(kActivations)) {
    fields.Fail("unknown activation '" + std::string(word.substr(0, 32)) + "'");
    return;
  }
  activation.kind = known->kind;
  if (known->alpha) activation.alpha = fields.Number("alpha");
  if (known->beta) activation.beta = fields.Number("beta");
  if (known->kind == ActivationKind::kQuantize && fields.ok() && !(activation.alpha > 0)) {
    fields.Fail("a scale is not above zero");
  }
  if (known->kind == ActivationKind::kClip || known->kind == ActivationKind::kQuantize) {
    activation.min = fields.Number("min", true);
    activation.max = fields.Number("max", true);
    if (activation.min > activation.max) fields.Fail("min is above max");
  }
  if (known->kind == ActivationKind::kPrelu) {
    step.slope = Floats(fields, "slope", channels);
    if (step.kind != StepKind::kConv && step.kind != StepKind::kScaleShift) {
      fields.Fail("prelu follows a conv or a scale_shift");
    }
  }
}

// Returns the channels that are left.
int64_t Parser::ParseShuffle(PlanFields& fields, int64_t channels, Step& step) {
  const auto fill = [](const std::vector<int64_t>& values, auto& to) {
    std::transform(values.begin(), values.end(), to.begin(),
                   [](int64_t v) { return static_cast<int>(v); });
  };
  fill(fields.Integers("factors", 4, 1, 255), step.factors);
  fill(fields.Integers("cuts", 8, 0, 65535), step.cuts);
  step.groups = static_cast<int>(fields.Integer("groups", 1, kMaxChannels));
  if (!fields.ok()) return channels;
  int64_t phases = step.groups;
  for (const int factor : step.factors) phases *= factor;
  if (phases > kMostFactors * step.groups || channels % phases != 0) {
    fields.Fail("factors and groups do not divide the channels");
    return channels;
  }
  return channels / phases * step.groups;
}

void Parser::ParseResize(PlanFields& fields, Resize& resize) {
  resize.mode = OneOf<ResizeMode>(fields, "mode", kResizeModes);
  resize.coordinates = OneOf<Coordinates>(fields, "coordinates", kCoordinates);
  resize.rounding = OneOf<Rounding>(fields, "rounding", kRoundings);
  static constexpr std::string_view kKeys[] = {"scale_t", "scale_d", "scale_h", "scale_w"};
  for (size_t axis = 0; axis < 4; ++axis) {
    resize.scales[axis] = fields.Number(kKeys[axis]);
    if (fields.ok() && !(resize.scales[axis] > 0)) fields.Fail("a scale is not above zero");
  }
}

void Parser::ParseConv(PlanFields& fields, Step& step) {
  ParseWindow(fields, true, step);
  step.channels = static_cast<int>(fields.Integer("channels", 1, kMaxChannels));
  step.groups = static_cast<int>(fields.Integer("groups", 1, kMaxChannels));
  if (!fields.ok()) return;
  const int in_channels = ChannelsOf(step.in[0]);
  if (in_channels % step.groups != 0 || step.channels % step.groups != 0) {
    fields.Fail("groups do not divide the channels");
    return;
  }
  int64_t count = int64_t{step.channels} * (in_channels / step.groups);
  for (const int k : step.window.kernel) count *= k;
  step.weight = Floats(fields, "weight", count);
  if (fields.Has("bias")) step.bias = Floats(fields, "bias", step.channels);
  if (fields.Has("residual")) {
    step.residual = Use(fields, fields.Integer("residual", 0, kMaxValue));
    if (fields.ok() && ChannelsOf(step.residual) != step.channels) {
      fields.Fail("the residual has other channels than the output");
    }
  }
}

void Parser::ParsePool(PlanFields& fields, Step& step) {
  const bool max = step.kind == StepKind::kMaxPool;
  ParseWindow(fields, max, step);
  step.ceil_mode = fields.Flag("ceil_mode");
  if (!max) step.count_include_pad = fields.Flag("count_include_pad");
  for (size_t axis = 0; axis < 4; ++axis) {
    const int kernel = step.window.kernel[axis];
    if (step.window.pads[axis] >= kernel || step.window.pads[axis + 4] >= kernel) {
      fields.Fail("pads of a pool are smaller than its kernel");
    }
  }
}

void Parser::ParseStep(StepKind kind, PlanFields& fields) {
  if (plan_.steps.size() == kMaxSteps) fields.Fail("too many steps");
  Step step;
  step.kind = kind;
  const bool concat = kind == StepKind::kConcat;
  const bool pair = IsPair(kind);
  for (const int64_t value : fields.Integers("in", concat ? 0 : pair ? 2 : 1, 0, kMaxValue)) {
    step.in.push_back(Use(fields, value));
  }
  step.out = static_cast<int>(fields.Integer("out", 0, kMaxValue));
  if (!fields.ok()) return;
  int64_t channels = ChannelsOf(step.in[0]);
  switch (kind) {
    case StepKind::kConv:
      ParseConv(fields, step);
      channels = step.channels;
      break;
    case StepKind::kMaxPool:
    case StepKind::kAveragePool:
      ParsePool(fields, step);
      break;
    case StepKind::kGroupNorm:
      step.groups = static_cast<int>(fields.Integer("groups", 1, kMaxChannels));
      if (fields.ok() && channels % step.groups != 0) {
        fields.Fail("groups do not divide the channels");
      }
      [[fallthrough]];
    case StepKind::kChannelNorm:
    case StepKind::kInstanceNorm:
      if (kind == StepKind::kChannelNorm) step.centred = fields.Flag("centred");
      step.epsilon = fields.Number("epsilon");
      if (step.epsilon < 0) fields.Fail("epsilon is negative");
      [[fallthrough]];
    case StepKind::kScaleShift:
      step.scale = Floats(fields, "scale", channels);
      step.shift = Floats(fields, "shift", channels);
      break;
    case StepKind::kConcat:
      if (step.in.size() < 2) fields.Fail("concat needs two values or more");
      for (size_t i = 1; i < step.in.size(); ++i) channels += ChannelsOf(step.in[i]);
      break;
    case StepKind::kAdd:
    case StepKind::kSub:
    case StepKind::kMul:
    case StepKind::kDiv:
    case StepKind::kMax:
    case StepKind::kMin: {
      const int64_t other = ChannelsOf(step.in[1]);
      if (other != channels && other != 1 && channels != 1) {
        fields.Fail("the two values differ in channels");
      }
      channels = std::max(channels, other);
      break;
    }
    case StepKind::kShuffle:
      channels = ParseShuffle(fields, channels, step);
      break;
    case StepKind::kResize:
      ParseResize(fields, step.resize);
      break;
    case StepKind::kChannelMean:
    case StepKind::kChannelMax:
      channels = 1;
      break;
    case StepKind::kGlobalAveragePool:
    case StepKind::kGlobalMaxPool:
      if (fields.Has("axes")) {
        const std::vector<int64_t> axes = fields.Integers("axes", 4, 0, 1);
        std::copy(axes.begin(), axes.end(), step.axes.begin());
        if (!std::is_sorted(axes.begin(), axes.end()) || axes.back() == 0) {
          fields.Fail("a global pool reduces the last axes");
        }
      }
      break;
    case StepKind::kActivation:
      break;
  }
  const bool activates = kind == StepKind::kConv || kind == StepKind::kScaleShift ||
                         kind == StepKind::kInstanceNorm || kind == StepKind::kGroupNorm ||
                         kind == StepKind::kChannelNorm || kind == StepKind::kActivation || pair;
  if (activates) ParseActivation(fields, channels, step);
  Define(fields, step.out, channels);
  if (fields.ok()) plan_.steps.push_back(std::move(step));
}

}  // namespace

Result<Plan> ParsePlan(std::string_view text) { return Parser().Parse(text); }

}  // namespace sentinode::ops
