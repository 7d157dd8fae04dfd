// The depthwise form: every channel on its own, so there is nothing to multiply as a matrix; a row
// at a time, vectors of channels.
#include <algorithm>
#include <utility>

#include "core/base/cancel.h"
#include "core/ops/conv.h"
#include "core/ops/parallel.h"

namespace sentinode::ops {
namespace {

class DepthwiseConv : public ConvForm {
 public:
  explicit DepthwiseConv(const ConvProblem& problem) : problem_(problem) {}
  void Prepare(WeightCache& cache);
  Status Run(const Buffers& buffers) const override;

 private:
  void ComputeRow(int64_t frame, int64_t depth, int64_t height, const Buffers& buffers) const;

  ConvProblem problem_;
  std::shared_ptr<const WeightBuffer> weights_;  // [kt][kd][kh][kw][c]
};

void DepthwiseConv::Prepare(WeightCache& cache) {
  const size_t channels = static_cast<size_t>(problem_.out.c);
  size_t taps = 1;
  for (const int k : problem_.step->window.kernel) taps *= static_cast<size_t>(k);
  const auto pack = [&](size_t, uint8_t* data) {
    float* to = reinterpret_cast<float*>(data);
    for (size_t tap = 0; tap < taps; ++tap) {
      for (size_t c = 0; c < channels; ++c) *to++ = problem_.weights[c * taps + tap];
    }
  };
  weights_ = cache.Get("depthwise", {1, taps * channels * sizeof(float), pack});
  weights_bytes_ = weights_->bytes();
}

void DepthwiseConv::ComputeRow(int64_t frame, int64_t depth, int64_t height,
                               const Buffers& buffers) const {
  const Window& w = problem_.step->window;
  const Volume& in = problem_.in;
  const Volume& out = problem_.out;
  const size_t element = ElementSize(problem_.element);
  const float* packed = reinterpret_cast<const float*>(weights_->data());
  std::vector<const void*> rows;
  std::vector<const float*> weights;
  for (int kt = 0; kt < w.kernel[0]; ++kt) {
    const int64_t t = frame * w.strides[0] - w.pads[0] + int64_t{kt} * w.dilations[0];
    if (t < 0 || t >= in.t) continue;
    for (int kd = 0; kd < w.kernel[1]; ++kd) {
      const int64_t d = depth * w.strides[1] - w.pads[1] + int64_t{kd} * w.dilations[1];
      if (d < 0 || d >= in.d) continue;
      for (int kh = 0; kh < w.kernel[2]; ++kh) {
        const int64_t h = height * w.strides[2] - w.pads[2] + int64_t{kh} * w.dilations[2];
        if (h < 0 || h >= in.h) continue;
        const int64_t position = ((t * in.d + d) * in.h + h) * in.w;
        rows.push_back(static_cast<const uint8_t*>(buffers.in) +
                       static_cast<size_t>(position * in.c) * element);
        const int row = (kt * w.kernel[1] + kd) * w.kernel[2] + kh;
        weights.push_back(packed + int64_t{row} * w.kernel[3] * in.c);
      }
    }
  }
  const int64_t position = ((frame * out.d + depth) * out.h + height) * out.w;
  WindowRow row;
  row.rows = rows.data();
  row.weights = weights.data();
  row.row_count = static_cast<int>(rows.size());
  row.out = static_cast<uint8_t*>(buffers.out) + static_cast<size_t>(position * out.c) * element;
  row.element = problem_.element;
  row.channels = static_cast<size_t>(out.c);
  row.in_width = in.w;
  row.out_width = out.w;
  row.kernel = w.kernel[3];
  row.stride = w.strides[3];
  row.dilation = w.dilations[3];
  row.pad = w.pads[3];
  row.bias = problem_.bias;
  row.residual = buffers.residual ? static_cast<const uint8_t*>(buffers.residual) +
                                        static_cast<size_t>(position * out.c) * element
                                  : nullptr;
  row.activation = problem_.step->activation;
  GetKernels().depthwise_row(row);
}

Status DepthwiseConv::Run(const Buffers& buffers) const {
  const Volume& out = problem_.out;
  for (int64_t frame = 0; frame < out.t; ++frame) {
    if (CancelRequested()) return Cancelled();
    ParallelFor(out.d * out.h,
                [&](int64_t index) { ComputeRow(frame, index / out.h, index % out.h, buffers); });
  }
  return Status::Ok();
}

}  // namespace

Result<std::unique_ptr<ConvForm>> MakeDepthwiseConv(const ConvProblem& problem,
                                                    WeightCache& cache) {
  auto form = std::make_unique<DepthwiseConv>(problem);
  form->Prepare(cache);
  return std::unique_ptr<ConvForm>(std::move(form));
}

}  // namespace sentinode::ops
