#include "core/ops/conv.h"

#include <algorithm>

#include "core/ops/onednn.h"
#include "core/ops/toom_cook.h"

namespace sentinode::ops {
namespace {

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

constexpr int64_t kLeastBfloat16Channels = 8;

// oneDNN's own grouped code wants whole vectors of channels in each group. Few channels of bfloat16
// are slower there than in float32, and a frame of float32 sums takes more memory than anything
// else of a first layer's.
bool SuitsOneDnn(const ConvProblem& p) {
  if (p.element == Element::kBfloat16 && GroupChannels(p) < kLeastBfloat16Channels) return false;
  const bool whole_groups =
      p.step->groups == 1 || (GroupChannels(p) % 16 == 0 && (p.out.c / p.step->groups) % 16 == 0);
  return whole_groups && EveryWindowMeetsInput(p);
}

// Products of a tile in time, beyond which rounding takes too much.
constexpr int kMostProducts = 9;

// Whether products of an axis may be fewer than its taps.
bool HasFastAxis(const ConvProblem& p, size_t axis) {
  const Window& w = p.step->window;
  const int64_t outputs = axis == 0 ? p.out.t : p.out.d;
  return w.strides[axis] == 1 && w.dilations[axis] == 1 && w.kernel[axis] >= 2 &&
         w.kernel[axis] <= kMaxTileTaps && outputs >= 2;
}

// Whether the processor multiplies pairs of the layer's channels. With few of them it pays less
// than it costs.
bool MultipliesBfloat16(const ConvProblem& p) {
  const int64_t channels = GroupChannels(p);
  const bool matrix_tiles = GetKernels().begin_tiles != nullptr;
  const bool whole_blocks =
      p.step->groups == 1 ||
      (matrix_tiles ? channels == 16 || channels % 32 == 0 : channels % 16 == 0 || channels == 8);
  return p.element == Element::kBfloat16 && channels >= kLeastBfloat16Channels && whole_blocks &&
         GetKernels().product(Element::kBfloat16, 8, false, 1).run != nullptr;
}

int ProductCount(const ConvProblem& p, int tile) {
  int sum = 0;
  for (const int size : SplitFrames(p.out.t, tile)) sum += size + p.step->window.kernel[0] - 1;
  return sum;
}

// Frames a tile: the fewest multiplications first, and the milder next one: nearer to direct in its
// rounding, and quicker where transforms weigh more than products.
std::vector<int> TimeTiles(const ConvProblem& p) {
  std::vector<int> tiles;
  if (!HasFastAxis(p, 0)) return tiles;
  const int most = std::min(kMaxTileOutputs, kMostProducts + 1 - p.step->window.kernel[0]);
  for (int tile = std::min<int>(most, static_cast<int>(p.out.t)); tile >= 2; --tile) {
    const int largest = SplitFrames(p.out.t, tile)[0];
    if (std::find(tiles.begin(), tiles.end(), largest) == tiles.end()) tiles.push_back(largest);
  }
  std::stable_sort(tiles.begin(), tiles.end(),
                   [&p](int a, int b) { return ProductCount(p, a) < ProductCount(p, b); });
  tiles.resize(std::min<size_t>(tiles.size(), 2));
  return tiles;
}

ConvChoice Tiled(int frames, int planes, Element products) {
  ConvChoice choice;
  choice.kind = ConvKind::kTiled;
  choice.frames = frames;
  choice.planes = planes;
  choice.products = products;
  return choice;
}

}  // namespace

std::string ToString(const ConvChoice& choice) {
  const std::string precision = choice.products == Element::kBfloat16 ? "bf16" : "fp32";
  switch (choice.kind) {
    case ConvKind::kDirect:
      return "direct(" + precision + ")";
    case ConvKind::kTiled:
      return "tiled(" + std::to_string(choice.frames) + "x" + std::to_string(choice.planes) + "," +
             precision + ")";
    case ConvKind::kDepthwise:
      return "depthwise";
  }
  return "";
}

ConvChoice ExactTiled() { return Tiled(1, 1, Element::kFloat32); }

std::vector<ConvChoice> ConvCandidates(const ConvProblem& p, bool exact_taps) {
  if (IsDepthwise(p)) return {{ConvKind::kDepthwise, 1, 1, Element::kFloat32}};
  std::vector<ConvChoice> choices;
  if (!exact_taps) {
    const std::vector<int> frames = TimeTiles(p);
    const bool depth = HasFastAxis(p, 1);
    for (const int planes : {4, 2}) {
      if (!depth || p.out.d < planes) continue;
      for (const int tile : frames) choices.push_back(Tiled(tile, planes, Element::kFloat32));
      choices.push_back(Tiled(1, planes, Element::kFloat32));
    }
    for (const int tile : frames) choices.push_back(Tiled(tile, 1, Element::kFloat32));
    if (MultipliesBfloat16(p)) {
      // The mildest along one axis: others lose too much in bfloat16.
      if (depth) choices.push_back(Tiled(1, 2, Element::kBfloat16));
      if (!frames.empty()) choices.push_back(Tiled(2, 1, Element::kBfloat16));
    }
  }
  if (MultipliesBfloat16(p)) choices.push_back(Tiled(1, 1, Element::kBfloat16));
  if (SuitsOneDnn(p)) choices.push_back({ConvKind::kDirect, 1, 1, p.element});
  choices.push_back(ExactTiled());
  return choices;
}

ConvChoice Fit(const ConvProblem& p, ConvChoice choice) {
  const std::vector<ConvChoice> possible = ConvCandidates(p, false);
  const auto same = [&choice](const ConvChoice& c) {
    return c.kind == choice.kind && c.products == choice.products;
  };
  if (std::none_of(possible.begin(), possible.end(), same)) return possible.back();
  choice.frames = HasFastAxis(p, 0) ? std::min<int>(choice.frames, static_cast<int>(p.out.t)) : 1;
  choice.planes = HasFastAxis(p, 1) ? std::min<int>(choice.planes, static_cast<int>(p.out.d)) : 1;
  return choice;
}

Result<std::unique_ptr<ConvForm>> MakeConvForm(const ConvProblem& p, const ConvChoice& choice,
                                               WeightCache& cache) {
  switch (choice.kind) {
    case ConvKind::kDirect:
      return MakeDirectConv(p, cache);
    case ConvKind::kTiled:
      return MakeTiledConv(p, choice, cache);
    case ConvKind::kDepthwise:
      return MakeDepthwiseConv(p, cache);
  }
  return Status("INTERNAL", "a convolution of an unknown form");
}

Status Cancelled() { return Status("CANCELLED", "The run was cancelled."); }

}  // namespace sentinode::ops
