// A convolution over four spatial axes, in one of several forms. A form is made for one layer and
// one size; it owns its primitives and shares its prepared weights.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
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
  // Above 0, forms that can give their output in slabs of a multiple of this many planes.
  int slab_multiple = 0;
};

enum class ConvKind { kDirect, kFast, kNarrow, kNarrowFast, kDepthwise };

struct ConvChoice {
  ConvKind kind = ConvKind::kDirect;
  int tile = 0;                          // fast: most output frames of a tile
  Element products = Element::kFloat32;  // what the multiplications run in
  bool operator==(const ConvChoice& other) const {
    return kind == other.kind && tile == other.tile && products == other.products;
  }
};

// "direct", "fast(5)", "fast(3,bf16)", ...
std::string ToString(const ConvChoice& choice);

class ConvForm {
 public:
  struct Buffers {
    const void* in = nullptr;
    const void* residual = nullptr;
    void* out = nullptr;  // overlaps neither
    // Instead of `in` and `out`, only where TakesPlanar(): a region's border, float32
    // [c][t][d][h][w].
    const float* planar_in = nullptr;
    float* planar_out = nullptr;
    // Only where SlabDepth() > 0: `out` then holds SlabDepth() planes of each frame, and this is
    // called whenever planes [from, from + count) of all frames lie there.
    std::function<void(int64_t from, int64_t count)> after_slab;
    uint8_t* workspace = nullptr;
  };

  virtual ~ConvForm() = default;
  // Fails with CANCELLED where the thread's cancel flag is raised on the way.
  virtual Status Run(const Buffers& buffers) const = 0;
  // Converts at a region's border itself, while the data is in the cache.
  virtual bool TakesPlanar() const { return false; }
  // Planes at a time, where the output can be given in slabs; otherwise 0.
  virtual int64_t SlabDepth() const { return 0; }
  size_t workspace_bytes() const { return workspace_bytes_; }
  size_t weights_bytes() const { return weights_bytes_; }

 protected:
  size_t workspace_bytes_ = 0;
  size_t weights_bytes_ = 0;
};

// Forms of this layer and size that can be right, likeliest first: what the tuner measures.
std::vector<ConvChoice> ConvCandidates(const ConvProblem& problem, bool exact_taps);
// The nearest form to `choice` that this layer and size have.
ConvChoice Fit(const ConvProblem& problem, ConvChoice choice);
Result<std::unique_ptr<ConvForm>> MakeConvForm(const ConvProblem& problem, const ConvChoice& choice,
                                               WeightCache& cache);

Result<std::unique_ptr<ConvForm>> MakeDirectConv(const ConvProblem& problem, WeightCache& cache);
Result<std::unique_ptr<ConvForm>> MakeFastConv(const ConvProblem& problem, const ConvChoice& choice,
                                               WeightCache& cache);
Result<std::unique_ptr<ConvForm>> MakeNarrowConv(const ConvProblem& problem,
                                                 const ConvChoice& choice, WeightCache& cache);
Result<std::unique_ptr<ConvForm>> MakeDepthwiseConv(const ConvProblem& problem, WeightCache& cache);

// The weights of one product of F(m, kT), [out][in / groups][kD][kH][kW], to `to`.
void TransformWeights(const ConvProblem& problem, const ToomCook& form, int product, float* to);

// Whether the fast form exists: stride and dilation 1 along T and a kernel of 2 to 5 frames.
bool HasFastForm(const Step& step);
// Bytes of workspace that a form may take: more than fits the cache brings nothing, and the whole
// is to stay in proportion to the layer's values.
size_t WorkspaceBudget(const ConvProblem& problem);

Status Cancelled();

}  // namespace sentinode::ops
