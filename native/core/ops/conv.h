// A convolution over four spatial axes, in one of several forms. A form is made for one layer and
// one size; it owns its primitives and shares its prepared weights.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/base/status.h"
#include "core/ops/geometry.h"
#include "core/ops/plan.h"
#include "core/ops/prepared_weights.h"
#include "core/ops/simd.h"

namespace sentinode::ops {

struct ToomCook;

struct ConvProblem {
  const Step* step = nullptr;
  Volume in;
  Volume out;
  Element element = Element::kFloat32;  // of the values in and out
  const float* weights = nullptr;       // ONNX's [out][in / groups][kT][kD][kH][kW]
  // kCyclicTail numbers longer than the channels; null without bias.
  const float* bias = nullptr;
  int threads = 1;
  // What a form may do besides, where it can: read a region's border, write one, and apply the max
  // pool that alone reads its output.
  bool planar_in = false;
  bool planar_out = false;
  const Step* pool = nullptr;
  Volume pooled;
};

enum class ConvKind { kDirect, kTiled, kDepthwise };

struct ConvChoice {
  ConvKind kind = ConvKind::kDirect;
  // Of the tiled form: most output frames and planes of a tile that is computed by Toom-Cook; 1 for
  // tap by tap.
  int frames = 1;
  int planes = 1;
  Element products = Element::kFloat32;  // what the multiplications run in
  bool operator==(const ConvChoice& other) const {
    return kind == other.kind && frames == other.frames && planes == other.planes &&
           products == other.products;
  }
};

// "direct(fp32)", "tiled(5x4,fp32)" (frames and planes), ...
std::string ToString(const ConvChoice& choice);

class ConvForm {
 public:
  struct Buffers {
    const void* in = nullptr;
    const void* residual = nullptr;
    void* out = nullptr;  // overlaps neither; the pool's where the form Pools()
    // A region's border, float32 [c][t][d][h][w], instead of `in` where TakesPlanarIn() and instead
    // of `out` where TakesPlanarOut().
    const float* planar_in = nullptr;
    float* planar_out = nullptr;
    uint8_t* workspace = nullptr;
  };

  virtual ~ConvForm() = default;
  // Fails with CANCELLED where the thread's cancel flag is raised on the way.
  virtual Status Run(const Buffers& buffers) const = 0;
  // What of the problem's wishes it does, and then always.
  virtual bool TakesPlanarIn() const { return false; }
  virtual bool TakesPlanarOut() const { return false; }
  virtual bool Pools() const { return false; }
  size_t workspace_bytes() const { return workspace_bytes_; }
  size_t weights_bytes() const { return weights_bytes_; }

 protected:
  size_t workspace_bytes_ = 0;
  size_t weights_bytes_ = 0;
};

// The form that every convolution has, tap by tap in float32.
ConvChoice ExactTiled();
// Forms of this layer and size that can be right, likeliest first: what the tuner measures. The
// last one computes tap by tap and always works.
std::vector<ConvChoice> ConvCandidates(const ConvProblem& problem, bool exact_taps);
// The nearest form to `choice` that this layer and size have.
ConvChoice Fit(const ConvProblem& problem, ConvChoice choice);
Result<std::unique_ptr<ConvForm>> MakeConvForm(const ConvProblem& problem, const ConvChoice& choice,
                                               WeightCache& cache);

Result<std::unique_ptr<ConvForm>> MakeDirectConv(const ConvProblem& problem, WeightCache& cache);
Result<std::unique_ptr<ConvForm>> MakeTiledConv(const ConvProblem& problem,
                                                const ConvChoice& choice, WeightCache& cache);
Result<std::unique_ptr<ConvForm>> MakeDepthwiseConv(const ConvProblem& problem, WeightCache& cache);

Status Cancelled();

}  // namespace sentinode::ops
