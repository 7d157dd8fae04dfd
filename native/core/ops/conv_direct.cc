// The direct form: y[t] = sum over taps i of conv3d(x[t * stride + i * dilation - pad], w[i]). Each
// output frame adds up the taps whose input frame exists, onto the residual where there is one;
// bias and activation ride on the last tap.
#include <algorithm>
#include <utility>

#include "core/base/cancel.h"
#include "core/ops/conv.h"
#include "core/ops/onednn.h"
#include "core/ops/parallel.h"
#include "core/ops/steps.h"

namespace sentinode::ops {
namespace {

// Where a tap stands in the sum of its frame; both bits for a frame with a single tap.
enum Role : unsigned { kMiddle = 0, kFirst = 1, kLast = 2 };

class DirectConv : public ConvForm {
 public:
  static Result<std::unique_ptr<ConvForm>> Make(const ConvProblem& problem, WeightCache& cache);
  Status Run(const Buffers& buffers) const override;

 private:
  explicit DirectConv(const ConvProblem& problem) : problem_(problem) {}
  Status MakePrimitives();
  void PrepareWeights(WeightCache& cache);
  unsigned RoleOf(size_t index, size_t taps) const;
  std::vector<int> TapsOf(int64_t frame) const;
  int64_t InputFrame(int64_t frame, int tap) const;
  void FillFrame(int64_t frame, const Buffers& buffers) const;
  void StartFromResidual(int64_t frame, const Buffers& buffers) const;
  void RunTap(int64_t frame, int tap, unsigned role, const Buffers& buffers) const;
  void ActivateFrame(int64_t frame, const Buffers& buffers) const;

  // Sums lie in the output itself, or, where that is bfloat16, in a float32 frame of workspace.
  bool SeparateSums() const { return problem_.element == Element::kBfloat16; }

  ConvProblem problem_;
  std::shared_ptr<const Conv3d> primitives_[4];  // by role, those that occur
  std::shared_ptr<const WeightBuffer> weights_[4];
  size_t scratch_offset_ = 0;
};

Conv3dSpec FrameSpec(const ConvProblem& p) {
  const Window& w = p.step->window;
  Conv3dSpec spec;
  spec.in_channels = p.in.c;
  spec.out_channels = p.out.c;
  spec.groups = p.step->groups;
  spec.in = {p.in.d, p.in.h, p.in.w};
  spec.out = {p.out.d, p.out.h, p.out.w};
  const int64_t in[3] = {p.in.d, p.in.h, p.in.w};
  const int64_t out[3] = {p.out.d, p.out.h, p.out.w};
  for (size_t i = 0; i < 3; ++i) {
    spec.kernel[i] = w.kernel[i + 1];
    spec.strides[i] = w.strides[i + 1];
    spec.dilations[i] = w.dilations[i + 1];
    spec.pad_begin[i] = w.pads[i + 1];
    // What the last window reaches, which may be less than the padding asked for.
    spec.pad_end[i] = (out[i] - 1) * spec.strides[i] + (spec.kernel[i] - 1) * spec.dilations[i] +
                      1 - in[i] - spec.pad_begin[i];
  }
  spec.in_element = p.element;
  spec.out_element = p.element;
  return spec;
}

Result<std::unique_ptr<ConvForm>> DirectConv::Make(const ConvProblem& problem, WeightCache& cache) {
  std::unique_ptr<DirectConv> form(new DirectConv(problem));
  SENTINODE_RETURN_IF_ERROR(form->MakePrimitives());
  form->PrepareWeights(cache);
  return std::unique_ptr<ConvForm>(std::move(form));
}

Status DirectConv::MakePrimitives() {
  bool needed[4] = {};
  for (int64_t frame = 0; frame < problem_.out.t; ++frame) {
    const size_t taps = TapsOf(frame).size();
    for (size_t i = 0; i < taps; ++i) needed[RoleOf(i, taps)] = true;
  }
  size_t scratch = 0;
  for (unsigned role = 0; role < 4; ++role) {
    if (!needed[role]) continue;
    Conv3dSpec spec = FrameSpec(problem_);
    const bool last = (role & kLast) != 0;
    if (!last && SeparateSums()) spec.out_element = Element::kFloat32;
    if (last) {
      spec.bias = problem_.bias != nullptr;
      if (RidesOnSums(problem_.step->activation)) spec.activation = problem_.step->activation;
    }
    if ((role & kFirst) == 0) {
      spec.accumulator = last && SeparateSums();
      spec.accumulate = !spec.accumulator;
    }
    auto made = Conv3d::Create(spec);
    if (!made.ok()) return made.status();
    primitives_[role] = std::move(made.value());
    scratch = std::max(scratch, primitives_[role]->scratchpad_bytes());
  }
  if (SeparateSums()) {
    scratch_offset_ = static_cast<size_t>(problem_.out.frame_elements()) * sizeof(float);
    scratch_offset_ = (scratch_offset_ + 63) / 64 * 64;
  }
  workspace_bytes_ = scratch_offset_ + scratch;
  return Status::Ok();
}

// A frame that starts from its residual has no first tap: all of them add.
unsigned DirectConv::RoleOf(size_t index, size_t taps) const {
  const bool first = index == 0 && problem_.step->residual == kNoValue;
  return (first ? kFirst : kMiddle) | (index + 1 == taps ? kLast : kMiddle);
}

size_t TapBytes(const Conv3d& conv) { return (conv.weights_bytes() + 63) / 64 * 64; }

// One buffer serves all roles, unless oneDNN wants different layouts for them.
void DirectConv::PrepareWeights(WeightCache& cache) {
  const Window& w = problem_.step->window;
  const int64_t inner = int64_t{w.kernel[1]} * w.kernel[2] * w.kernel[3];
  const int64_t taps = w.kernel[0];
  std::vector<const WeightBuffer*> counted;
  for (unsigned role = 0; role < 4; ++role) {
    if (!primitives_[role]) continue;
    const Conv3d& conv = *primitives_[role];
    const auto lay_out = [&](size_t tap, uint8_t* to) {
      conv.PrepareWeights(problem_.weights + static_cast<int64_t>(tap) * inner, taps * inner, to);
    };
    weights_[role] = cache.Get("direct:" + conv.weights_layout(),
                               {static_cast<size_t>(taps), TapBytes(conv), lay_out});
    const WeightBuffer* buffer = weights_[role].get();
    if (std::find(counted.begin(), counted.end(), buffer) != counted.end()) continue;
    counted.push_back(buffer);
    weights_bytes_ += buffer->bytes();
  }
}

int64_t DirectConv::InputFrame(int64_t frame, int tap) const {
  const Window& w = problem_.step->window;
  return frame * w.strides[0] + int64_t{tap} * w.dilations[0] - w.pads[0];
}

std::vector<int> DirectConv::TapsOf(int64_t frame) const {
  std::vector<int> taps;
  for (int tap = 0; tap < problem_.step->window.kernel[0]; ++tap) {
    const int64_t from = InputFrame(frame, tap);
    if (from >= 0 && from < problem_.in.t) taps.push_back(tap);
  }
  return taps;
}

void DirectConv::FillFrame(int64_t frame, const Buffers& buffers) const {
  const size_t bytes = static_cast<size_t>(problem_.out.frame_elements()) *
                       ElementSize(problem_.element) * static_cast<size_t>(frame);
  void* out = static_cast<uint8_t*>(buffers.out) + bytes;
  const void* residual =
      buffers.residual ? static_cast<const uint8_t*>(buffers.residual) + bytes : nullptr;
  const Kernels& kernels = GetKernels();
  const int end = 0;
  for (int64_t c = 0; c < problem_.out.c; c += kernels.lanes) {
    const size_t at = static_cast<size_t>(c) * ElementSize(problem_.element);
    void* to = static_cast<uint8_t*>(out) + at;
    const void* added = residual == nullptr ? nullptr : static_cast<const uint8_t*>(residual) + at;
    Combine combine;
    combine.out = &to;
    combine.ends = &end;
    combine.rows = 1;
    combine.count = static_cast<size_t>(problem_.out.frame_positions());
    combine.lanes = static_cast<size_t>(std::min<int64_t>(kernels.lanes, problem_.out.c - c));
    combine.in_step = combine.out_step = problem_.out.c;
    combine.out_element = problem_.element;
    combine.bias = problem_.bias == nullptr ? nullptr : problem_.bias + c;
    combine.residual = residual == nullptr ? nullptr : &added;
    combine.residual_step = problem_.out.c;
    combine.residual_element = problem_.element;
    combine.activation = problem_.step->activation;
    if (combine.activation.slopes != nullptr) combine.activation.slopes += c;
    kernels.combine(combine);
  }
}

void DirectConv::StartFromResidual(int64_t frame, const Buffers& buffers) const {
  const size_t count = static_cast<size_t>(problem_.out.frame_elements());
  const size_t offset = count * ElementSize(problem_.element) * static_cast<size_t>(frame);
  const auto* residual = static_cast<const uint8_t*>(buffers.residual) + offset;
  uint8_t* sums = SeparateSums() ? buffers.workspace : static_cast<uint8_t*>(buffers.out) + offset;
  constexpr size_t kPiece = 16384;
  ParallelFor(static_cast<int64_t>((count + kPiece - 1) / kPiece), [&](int64_t piece) {
    const size_t from = static_cast<size_t>(piece) * kPiece;
    const void* in = residual + from * ElementSize(problem_.element);
    void* out = sums + from * sizeof(float);
    const CombineTerm term{0, 1};
    const int end = 1;
    Combine combine;
    combine.in = &in;
    combine.out = &out;
    combine.ends = &end;
    combine.terms = &term;
    combine.in_element = problem_.element;
    CombineRow(GetKernels(), combine, std::min(kPiece, count - from));
  });
}

void DirectConv::RunTap(int64_t frame, int tap, unsigned role, const Buffers& buffers) const {
  const size_t element = ElementSize(problem_.element);
  const size_t in_frame = static_cast<size_t>(problem_.in.frame_elements()) * element;
  const size_t out_offset = static_cast<size_t>(problem_.out.frame_elements() * frame) * element;
  uint8_t* out = static_cast<uint8_t*>(buffers.out) + out_offset;
  float* sums = reinterpret_cast<float*>(buffers.workspace);
  const bool last = (role & kLast) != 0;
  Conv3d::Buffers b;
  b.src = static_cast<const uint8_t*>(buffers.in) +
          in_frame * static_cast<size_t>(InputFrame(frame, tap));
  b.weights = weights_[role]->data() + TapBytes(*primitives_[role]) * static_cast<size_t>(tap);
  b.bias = problem_.bias;
  b.accumulator = sums;
  b.dst = !last && SeparateSums() ? static_cast<void*>(sums) : out;
  b.scratchpad = buffers.workspace + scratch_offset_;
  primitives_[role]->Execute(b);
}

// An activation that oneDNN does not have, while the frame is in the cache.
void DirectConv::ActivateFrame(int64_t frame, const Buffers& buffers) const {
  Tensor tensor;
  tensor.element = problem_.element;
  tensor.volume = {problem_.out.c, 1, problem_.out.d, problem_.out.h, problem_.out.w};
  tensor.data = MovedBy(buffers.out, problem_.out.frame_elements() * frame, problem_.element);
  RunActivation(problem_.step->activation, tensor, tensor);
}

Status DirectConv::Run(const Buffers& buffers) const {
  for (int64_t frame = 0; frame < problem_.out.t; ++frame) {
    const std::vector<int> taps = TapsOf(frame);
    if (taps.empty()) {
      FillFrame(frame, buffers);
    } else if (buffers.residual != nullptr) {
      StartFromResidual(frame, buffers);
    }
    for (size_t i = 0; i < taps.size(); ++i) {
      if (CancelRequested()) return Cancelled();
      RunTap(frame, taps[i], RoleOf(i, taps.size()), buffers);
    }
    if (!taps.empty() && !RidesOnSums(problem_.step->activation)) ActivateFrame(frame, buffers);
  }
  return Status::Ok();
}

}  // namespace

Result<std::unique_ptr<ConvForm>> MakeDirectConv(const ConvProblem& problem, WeightCache& cache) {
  return DirectConv::Make(problem, cache);
}

}  // namespace sentinode::ops
