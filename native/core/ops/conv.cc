#include "core/ops/conv.h"

#include <algorithm>

#include "core/ops/onednn.h"
#include "core/ops/toom_cook.h"

namespace sentinode::ops {
namespace {

constexpr size_t kCacheBudget = size_t{6} << 20;
constexpr size_t kLeastBudget = size_t{256} << 10;
// Input channels up to which the narrow form is tried: beyond, a matrix product is as good.
constexpr int64_t kNarrowChannels = 4;

bool IsDepthwise(const ConvProblem& p) {
  return p.step->groups > 1 && p.step->groups == p.in.c && p.step->groups == p.out.c;
}

int64_t GroupChannels(const ConvProblem& p) { return p.in.c / p.step->groups; }

// Whether every window has a tap inside the input along D, H and W. oneDNN 2.6 reads through a null
// pointer for those that have none.
bool EveryWindowMeetsInput(const ConvProblem& p) {
  const Window& w = p.step->window;
  const int64_t in[4] = {p.in.t, p.in.d, p.in.h, p.in.w};
  const int64_t out[4] = {p.out.t, p.out.d, p.out.h, p.out.w};
  for (size_t axis = 1; axis < 4; ++axis) {
    for (int64_t at = 0; at < out[axis]; ++at) {
      bool meets = false;
      for (int tap = 0; tap < w.kernel[axis] && !meets; ++tap) {
        const int64_t from = at * w.strides[axis] + int64_t{tap} * w.dilations[axis] - w.pads[axis];
        meets = from >= 0 && from < in[axis];
      }
      if (!meets) return false;
    }
  }
  return true;
}

// oneDNN's own grouped code wants whole vectors of channels in each group.
bool SuitsOneDnn(const ConvProblem& p) {
  const bool whole_groups =
      p.step->groups == 1 || (GroupChannels(p) % 16 == 0 && (p.out.c / p.step->groups) % 16 == 0);
  return whole_groups && EveryWindowMeetsInput(p);
}

}  // namespace

std::string ToString(const ConvChoice& choice) {
  const std::string precision = choice.products == Element::kBfloat16 ? "bf16" : "fp32";
  switch (choice.kind) {
    case ConvKind::kDirect:
      return "direct(" + precision + ")";
    case ConvKind::kFast:
      return "fast(" + std::to_string(choice.tile) + "," + precision + ")";
    case ConvKind::kNarrow:
      return "narrow";
    case ConvKind::kNarrowFast:
      return "narrow-fast(" + std::to_string(choice.tile) + ")";
    case ConvKind::kDepthwise:
      return "depthwise";
  }
  return "";
}

bool HasFastForm(const Step& step) {
  const Window& w = step.window;
  return w.strides[0] == 1 && w.dilations[0] == 1 && w.kernel[0] >= 2 &&
         w.kernel[0] <= kMaxTileTaps;
}

size_t WorkspaceBudget(const ConvProblem& p) {
  const size_t values =
      static_cast<size_t>(p.in.elements() + p.out.elements()) * ElementSize(p.element);
  return std::clamp(values / 5 * 3, kLeastBudget, kCacheBudget);
}

void TransformWeights(const ConvProblem& p, const ToomCook& form, int product, float* to) {
  const Window& w = p.step->window;
  const size_t taps = static_cast<size_t>(form.taps);
  const size_t inner =
      static_cast<size_t>(w.kernel[1]) * static_cast<size_t>(w.kernel[2] * w.kernel[3]);
  const size_t pairs = static_cast<size_t>(p.out.c * GroupChannels(p));
  const double* row = form.weight.data() + static_cast<size_t>(product) * taps;
  for (size_t pair = 0; pair < pairs; ++pair) {
    const float* from = p.weights + pair * taps * inner;
    float* sums = to + pair * inner;
    for (size_t i = 0; i < inner; ++i) {
      double sum = 0;
      for (size_t tap = 0; tap < taps; ++tap) {
        sum += row[tap] * static_cast<double>(from[tap * inner + i]);
      }
      sums[i] = static_cast<float>(sum);
    }
  }
}

std::vector<ConvChoice> ConvCandidates(const ConvProblem& p, bool exact_taps) {
  if (IsDepthwise(p)) return {{ConvKind::kDepthwise, 0, Element::kFloat32}};
  const bool direct = SuitsOneDnn(p);
  const bool narrow = !direct || GroupChannels(p) <= kNarrowChannels;
  const bool fast = !exact_taps && HasFastForm(*p.step) && p.out.t >= 2;
  std::vector<int> tiles;
  if (fast) {
    // The fewest multiplications first, and the milder next one: nearer to direct in its rounding,
    // and quicker where transforms weigh more than products.
    for (int tile = std::min<int>(kMaxTileOutputs, static_cast<int>(p.out.t)); tile >= 2; --tile) {
      const int largest = SplitFrames(p.out.t, tile)[0];
      if (std::find(tiles.begin(), tiles.end(), largest) == tiles.end()) tiles.push_back(largest);
    }
    const auto products = [&p](int tile) {
      int sum = 0;
      for (const int size : SplitFrames(p.out.t, tile)) sum += size + p.step->window.kernel[0] - 1;
      return sum;
    };
    std::stable_sort(tiles.begin(), tiles.end(),
                     [&](int a, int b) { return products(a) < products(b); });
    if (tiles.size() > 3) tiles.resize(3);
  }
  std::vector<ConvChoice> choices;
  if (narrow) {
    for (const int tile : tiles) {
      choices.push_back({ConvKind::kNarrowFast, tile, Element::kFloat32});
    }
    choices.push_back({ConvKind::kNarrow, 0, Element::kFloat32});
  }
  if (direct) {
    if (p.element == Element::kBfloat16) {
      for (const int tile : tiles) choices.push_back({ConvKind::kFast, tile, Element::kBfloat16});
    }
    for (const int tile : tiles) choices.push_back({ConvKind::kFast, tile, Element::kFloat32});
    choices.push_back({ConvKind::kDirect, 0, p.element});
  }
  return choices;
}

ConvChoice Fit(const ConvProblem& p, ConvChoice choice) {
  const std::vector<ConvChoice> possible = ConvCandidates(p, false);
  const auto has = [&possible](ConvKind kind) {
    return std::any_of(possible.begin(), possible.end(),
                       [kind](const ConvChoice& c) { return c.kind == kind; });
  };
  const bool fast = choice.kind == ConvKind::kFast || choice.kind == ConvKind::kNarrowFast;
  if (fast && has(choice.kind)) {
    const int most = static_cast<int>(std::min<int64_t>(p.out.t, choice.tile));
    choice.tile = SplitFrames(p.out.t, most)[0];
    return choice;
  }
  if (choice.kind == ConvKind::kNarrowFast && has(ConvKind::kNarrow)) {
    return {ConvKind::kNarrow, 0, Element::kFloat32};
  }
  if (!fast && has(choice.kind)) return choice;
  return possible.back();
}

Result<std::unique_ptr<ConvForm>> MakeConvForm(const ConvProblem& p, const ConvChoice& choice,
                                               WeightCache& cache) {
  switch (choice.kind) {
    case ConvKind::kDirect:
      return MakeDirectConv(p, cache);
    case ConvKind::kFast:
      return MakeFastConv(p, choice, cache);
    case ConvKind::kNarrow:
    case ConvKind::kNarrowFast:
      return MakeNarrowConv(p, choice, cache);
    case ConvKind::kDepthwise:
      return MakeDepthwiseConv(p, cache);
  }
  return Status("INTERNAL", "a convolution of an unknown form");
}

Status Cancelled() { return Status("CANCELLED", "The run was cancelled."); }

}  // namespace sentinode::ops
