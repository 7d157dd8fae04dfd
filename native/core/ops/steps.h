// The steps of a plan that are not convolutions. Each computes its whole output on the calling
// thread's OpenMP threads; none allocates more than a few numbers per channel.
#pragma once

#include <vector>

#include "core/ops/geometry.h"
#include "core/ops/plan.h"
#include "core/ops/simd.h"

namespace sentinode::ops {

// A value of one row, channels-last; the memory belongs to someone else.
struct Tensor {
  void* data = nullptr;
  Element element = Element::kFloat32;
  Volume volume;

  uint8_t* At(int64_t position) const {
    return static_cast<uint8_t*>(data) +
           static_cast<size_t>(position * volume.c) * ElementSize(element);
  }
};

// One number per channel, and its beginning once more behind its end (kCyclicTail).
std::vector<float> Cyclic(const float* values, int64_t channels);

// Windows that lie wholly in the padding give 0 for an average and -infinity for a maximum.
void RunPool(const Step& step, const Tensor& in, const Tensor& out);
// Of a max pool that FollowsBlocks, the outputs whose windows lie in `block`, all channels of a
// part of the input that begins at `origin`; on this thread alone.
struct BlockOrigin {
  int64_t t = 0;
  int64_t d = 0;
  int64_t h = 0;
};
void RunPoolBlock(const Step& step, const Tensor& block, const BlockOrigin& origin,
                  const Tensor& out);
// Windows along depth and height neither overlap nor reach into padding.
bool FollowsBlocks(const Step& step);
// Each frame is pooled on its own. For others a block must hold all frames.
bool KeepsFrames(const Step& step);
void RunGlobalPool(const Step& step, const Tensor& in, const Tensor& out);
// The mean or the maximum of each position's channels.
void RunChannelPool(const Step& step, const Tensor& in, const Tensor& out);
// `scale` and `shift` as Cyclic gives them; out may be in.
void RunScaleShift(const Tensor& in, const float* scale, const float* shift,
                   const Activation& activation, const Tensor& out);
// Instance and group normalisation, with statistics over all frames; out may be in. `scale` and
// `shift` have one number per channel.
void RunNorm(const Step& step, const Tensor& in, const float* scale, const float* shift,
             const Tensor& out);
// Each position over its channels; `scale` and `shift` as Cyclic gives them; out may be in.
void RunChannelNorm(const Step& step, const Tensor& in, const float* scale, const float* shift,
                    const Tensor& out);
// out may be in.
void RunActivation(const Activation& activation, const Tensor& in, const Tensor& out);
void RunConcat(const std::vector<Tensor>& in, const Tensor& out);
// A step that IsPair(); out may be one of a and b that has its volume.
void RunPair(const Step& step, const Tensor& a, const Tensor& b, const Tensor& out);
// ONNX Resize over T, D, H, W.
void RunResize(const Resize& resize, const Tensor& in, const Tensor& out);
// Channels [group][phase in T][D][H][W][channel] of a position become the positions under it.
void RunShuffle(const Step& step, const Tensor& in, const Tensor& out);

// Between a region's border, planar float32 [c][t][d][h][w], and its inside.
void Interleave(const float* planar, const Tensor& out);
void Deinterleave(const Tensor& in, float* planar);

}  // namespace sentinode::ops
