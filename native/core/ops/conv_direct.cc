// The direct form: y[t] = sum over taps i of conv3d(x[t * stride + i * dilation - pad], w[i]). Each output
// frame adds up the taps whose input frame exists; bias, residual and activation ride on the last one.
#include <algorithm>
#include <utility>

#include "core/base/cancel.h"
#include "core/ops/conv.h"
#include "core/ops/onednn.h"

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
  Status PrepareWeights(WeightCache& cache);
  std::vector<int> TapsOf(int64_t frame) const;
  int64_t InputFrame(int64_t frame, int tap) const;
  void FillFrame(int64_t frame, const Buffers& buffers) const;
  void RunTap(int64_t frame, int tap, unsigned role, const Buffers& buffers) const;

  // Sums lie in the output itself, or, where that is bfloat16, in a float32 frame of workspace.
  bool SeparateSums() const { return problem_.element == Element::kBfloat16; }

  ConvProblem problem_;
  std::shared_ptr<const Conv3d> primitives_[4];  // by role, those that occur
  std::shared_ptr<const WeightBuffer> weights_;
  size_t tap_bytes_ = 0;
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
  SENTINODE_RETURN_IF_ERROR(form->PrepareWeights(cache));
  return std::unique_ptr<ConvForm>(std::move(form));
}

Status DirectConv::MakePrimitives() {
  bool needed[4] = {};
  for (int64_t frame = 0; frame < problem_.out.t; ++frame) {
    const size_t taps = TapsOf(frame).size();
    if (taps == 1) needed[kFirst | kLast] = true;
    if (taps >= 2) needed[kFirst] = needed[kLast] = true;
    if (taps >= 3) needed[kMiddle] = true;
  }
  size_t scratch = 0;
  for (unsigned role = 0; role < 4; ++role) {
    if (!needed[role]) continue;
    Conv3dSpec spec = FrameSpec(problem_);
    const bool last = (role & kLast) != 0;
    if (!last && SeparateSums()) spec.out_element = Element::kFloat32;
    if (last) {
      spec.bias = problem_.bias != nullptr;
      spec.residual = problem_.step->residual != kNoValue;
      spec.activation = problem_.step->activation;
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

Status DirectConv::PrepareWeights(WeightCache& cache) {
  const Conv3d* any = nullptr;
  for (const auto& primitive : primitives_) {
    if (!primitive) continue;
    if (any != nullptr && any->weights_layout() != primitive->weights_layout()) {
      return Status("INTERNAL", "oneDNN lays out the weights of two taps differently");
    }
    any = primitive.get();
  }
  if (any == nullptr) return Status::Ok();  // every frame lies in the padding
  const Window& w = problem_.step->window;
  const int64_t inner = int64_t{w.kernel[1]} * w.kernel[2] * w.kernel[3];
  const int taps = w.kernel[0];
  tap_bytes_ = (any->weights_bytes() + 63) / 64 * 64;
  weights_ = cache.Get("direct:" + any->weights_layout(), [&] {
    auto buffer = std::make_shared<WeightBuffer>(tap_bytes_ * static_cast<size_t>(taps));
    for (int tap = 0; tap < taps; ++tap) {
      any->PrepareWeights(problem_.weights + tap * inner, taps * inner,
                          buffer->data() + tap_bytes_ * static_cast<size_t>(tap));
    }
    return buffer;
  });
  weights_bytes_ = weights_->bytes();
  return Status::Ok();
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
  Combine combine;
  combine.out = &out;
  combine.rows = 1;
  combine.length = static_cast<size_t>(problem_.out.frame_elements());
  combine.out_element = problem_.element;
  combine.bias = problem_.bias;
  combine.channels = static_cast<size_t>(problem_.out.c);
  combine.residual = residual ? &residual : nullptr;
  combine.activation = problem_.step->activation;
  GetKernels().combine(combine);
}

void DirectConv::RunTap(int64_t frame, int tap, unsigned role, const Buffers& buffers) const {
  const size_t element = ElementSize(problem_.element);
  const size_t in_frame = static_cast<size_t>(problem_.in.frame_elements()) * element;
  const size_t out_offset =
      static_cast<size_t>(problem_.out.frame_elements() * frame) * element;
  uint8_t* out = static_cast<uint8_t*>(buffers.out) + out_offset;
  float* sums = reinterpret_cast<float*>(buffers.workspace);
  const bool last = (role & kLast) != 0;
  Conv3d::Buffers b;
  b.src = static_cast<const uint8_t*>(buffers.in) +
          in_frame * static_cast<size_t>(InputFrame(frame, tap));
  b.weights = weights_->data() + tap_bytes_ * static_cast<size_t>(tap);
  b.bias = problem_.bias;
  b.accumulator = sums;
  if (buffers.residual) b.residual = static_cast<const uint8_t*>(buffers.residual) + out_offset;
  b.dst = !last && SeparateSums() ? static_cast<void*>(sums) : out;
  b.scratchpad = buffers.workspace + scratch_offset_;
  primitives_[role]->Execute(b);
}

Status DirectConv::Run(const Buffers& buffers) const {
  for (int64_t frame = 0; frame < problem_.out.t; ++frame) {
    const std::vector<int> taps = TapsOf(frame);
    if (taps.empty()) FillFrame(frame, buffers);
    for (size_t i = 0; i < taps.size(); ++i) {
      if (CancelRequested()) return Cancelled();
      const unsigned role =
          (i == 0 ? kFirst : kMiddle) | (i + 1 == taps.size() ? kLast : kMiddle);
      RunTap(frame, taps[i], role, buffers);
    }
  }
  return Status::Ok();
}

}  // namespace

Result<std::unique_ptr<ConvForm>> MakeDirectConv(const ConvProblem& problem, WeightCache& cache) {
  return DirectConv::Make(problem, cache);
}

}  // namespace sentinode::ops
