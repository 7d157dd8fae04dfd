// The fast form: output frames are taken in tiles, and a tile of m frames with k taps costs m + k -
// 1 3D convolutions instead of m * k. Depth is walked in slabs so that transformed inputs and
// products stay in the cache:
//   slab of the input -> input transform -> products (oneDNN) -> output transform, bias, residual,
//   activation -> slab of the output.
#include <algorithm>
#include <array>
#include <map>
#include <new>
#include <utility>

#include "core/base/cancel.h"
#include "core/ops/conv.h"
#include "core/ops/onednn.h"
#include "core/ops/parallel.h"
#include "core/ops/toom_cook.h"

namespace sentinode::ops {
namespace {

// Floats of one piece of a transform: all its frames together fit the first two cache levels.
constexpr int64_t kPiece = 4096;
// Floats of a piece at a region's border, where whole positions are turned to or from
// channels-last.
constexpr int64_t kBorderPiece = 2048;
constexpr int64_t kBorderChannels = 256;
constexpr size_t kMostFrames = kMaxTileOutputs + kMaxTileTaps - 1;

size_t Aligned(size_t bytes) { return (bytes + 63) / 64 * 64; }

// Output planes [out_from, out_from + out_count) and the input planes under them.
struct Slab {
  int64_t out_from = 0;
  int64_t out_count = 0;
  int64_t in_from = 0;
  int64_t in_count = 0;
  int64_t pad_begin = 0;
  int64_t pad_end = 0;
  const Conv3d* conv = nullptr;
};

// Output frames [from, from + outputs).
struct Tile {
  int64_t from = 0;
  int outputs = 0;
  int products = 0;
  int first_input = 0;  // of the tile's inputs, those that exist
  int inputs = 0;
  std::vector<float> input_matrix;   // products x inputs
  std::vector<float> output_matrix;  // outputs x products
  std::shared_ptr<const WeightBuffer> weights;
};

class FastConv : public ConvForm {
 public:
  FastConv(const ConvProblem& problem, const ConvChoice& choice)
      : problem_(problem), choice_(choice) {}
  Status Prepare(WeightCache& cache);
  Status Run(const Buffers& buffers) const override;
  bool TakesPlanar() const override {
    return problem_.in.c <= kBorderChannels && problem_.out.c <= kBorderChannels;
  }

 private:
  Slab MakeSlab(int64_t from, int64_t count) const;
  void DivideDepth(int products);
  Status MakePrimitives();
  Tile MakeTile(int64_t from, int outputs, WeightCache& cache) const;
  void TransformInput(const Tile& tile, const Slab& slab, const Buffers& buffers) const;
  void TransformOutput(const Tile& tile, const Slab& slab, const Buffers& buffers) const;

  ConvProblem problem_;
  ConvChoice choice_;
  std::vector<Slab> slabs_;
  std::vector<Tile> tiles_;
  std::map<std::array<int64_t, 4>, std::shared_ptr<const Conv3d>> primitives_;
  size_t weights_stride_ = 0;  // bytes, and so are these:
  size_t input_stride_ = 0;    // between transformed inputs
  size_t product_stride_ = 0;
  size_t products_offset_ = 0;
  size_t scratch_offset_ = 0;
};

Slab FastConv::MakeSlab(int64_t from, int64_t count) const {
  const Window& w = problem_.step->window;
  const int64_t first = from * w.strides[1] - w.pads[1];
  const int64_t end = (from + count - 1) * w.strides[1] - w.pads[1] +
                      int64_t{w.dilations[1]} * (w.kernel[1] - 1) + 1;
  Slab slab;
  slab.out_from = from;
  slab.out_count = count;
  slab.in_from = std::clamp<int64_t>(first, 0, problem_.in.d - 1);
  slab.in_count = std::clamp<int64_t>(end, slab.in_from + 1, problem_.in.d) - slab.in_from;
  slab.pad_begin = slab.in_from - first;
  slab.pad_end = end - (slab.in_from + slab.in_count);
  return slab;
}

void FastConv::DivideDepth(int products) {
  const size_t in_plane = static_cast<size_t>(problem_.in.c * problem_.in.h * problem_.in.w) *
                          ElementSize(choice_.products);
  const size_t out_plane =
      static_cast<size_t>(problem_.out.c * problem_.out.h * problem_.out.w) * sizeof(float);
  const int64_t depth = problem_.out.d;
  for (int64_t count = 1;; ++count) {
    const int64_t size = (depth + count - 1) / count;
    const Slab slab = MakeSlab(0, size);
    const size_t reach = static_cast<size_t>(slab.in_count + slab.pad_begin);
    const size_t bytes =
        static_cast<size_t>(products) * (reach * in_plane + static_cast<size_t>(size) * out_plane);
    if (size > 1 && bytes > WorkspaceBudget(problem_)) continue;
    for (int64_t from = 0; from < depth; from += size) {
      slabs_.push_back(MakeSlab(from, std::min(size, depth - from)));
    }
    break;
  }
  for (const Slab& slab : slabs_) {
    input_stride_ = std::max(input_stride_, Aligned(static_cast<size_t>(slab.in_count) * in_plane));
    product_stride_ =
        std::max(product_stride_, Aligned(static_cast<size_t>(slab.out_count) * out_plane));
  }
}

Status FastConv::MakePrimitives() {
  const Window& w = problem_.step->window;
  for (Slab& slab : slabs_) {
    auto& primitive = primitives_[{slab.in_count, slab.out_count, slab.pad_begin, slab.pad_end}];
    if (!primitive) {
      Conv3dSpec spec;
      spec.in_channels = problem_.in.c;
      spec.out_channels = problem_.out.c;
      spec.groups = problem_.step->groups;
      spec.in = {slab.in_count, problem_.in.h, problem_.in.w};
      spec.out = {slab.out_count, problem_.out.h, problem_.out.w};
      spec.pad_begin = {slab.pad_begin, w.pads[2], w.pads[3]};
      for (size_t i = 0; i < 3; ++i) {
        spec.kernel[i] = w.kernel[i + 1];
        spec.strides[i] = w.strides[i + 1];
        spec.dilations[i] = w.dilations[i + 1];
        spec.pad_end[i] = (spec.out[i] - 1) * spec.strides[i] +
                          (spec.kernel[i] - 1) * spec.dilations[i] + 1 - spec.in[i] -
                          spec.pad_begin[i];
      }
      spec.in_element = choice_.products;
      auto made = Conv3d::Create(spec);
      if (!made.ok()) return made.status();
      primitive = std::move(made.value());
    }
    slab.conv = primitive.get();
    if (slab.conv->weights_layout() != slabs_[0].conv->weights_layout()) {
      return Status("INTERNAL", "oneDNN lays out the weights of two slabs differently");
    }
  }
  return Status::Ok();
}

Tile FastConv::MakeTile(int64_t from, int outputs, WeightCache& cache) const {
  const Window& w = problem_.step->window;
  const ToomCook form = MakeToomCook(outputs, w.kernel[0]);
  Tile tile;
  tile.from = from;
  tile.outputs = outputs;
  tile.products = form.products;
  const int64_t start = from - w.pads[0];
  const int64_t first = std::clamp<int64_t>(-start, 0, form.products);
  const int64_t end = std::clamp<int64_t>(problem_.in.t - start, first, form.products);
  tile.first_input = static_cast<int>(start + first);
  tile.inputs = static_cast<int>(end - first);
  for (int64_t j = 0; j < form.products; ++j) {
    for (int64_t i = first; i < end; ++i) {
      tile.input_matrix.push_back(
          static_cast<float>(form.input[static_cast<size_t>(j * form.products + i)]));
    }
  }
  tile.output_matrix.assign(form.output.begin(), form.output.end());

  const Conv3d& conv = *slabs_[0].conv;
  const std::string name = "fast" + std::to_string(outputs) + ":" + conv.weights_layout();
  const int64_t inner = int64_t{w.kernel[1]} * w.kernel[2] * w.kernel[3];
  const int64_t pairs = problem_.out.c * (problem_.in.c / problem_.step->groups);
  const Pages transformed(static_cast<size_t>(pairs * inner) * sizeof(float));
  if (transformed.data() == nullptr) throw std::bad_alloc();
  float* product = reinterpret_cast<float*>(transformed.data());
  const auto prepare = [&](size_t j, uint8_t* to) {
    TransformWeights(problem_, form, static_cast<int>(j), product);
    conv.PrepareWeights(product, inner, to);
  };
  tile.weights = cache.Get(name, {static_cast<size_t>(form.products), weights_stride_, prepare});
  return tile;
}

Status FastConv::Prepare(WeightCache& cache) {
  const std::vector<int> sizes = SplitFrames(problem_.out.t, choice_.tile);
  const int products = sizes[0] + problem_.step->window.kernel[0] - 1;
  DivideDepth(products);
  SENTINODE_RETURN_IF_ERROR(MakePrimitives());
  weights_stride_ = Aligned(slabs_[0].conv->weights_bytes());
  int64_t from = 0;
  std::map<int, size_t> weights;
  for (const int size : sizes) {
    tiles_.push_back(MakeTile(from, size, cache));
    weights[size] = tiles_.back().weights->bytes();
    from += size;
  }
  for (const auto& [size, bytes] : weights) weights_bytes_ += bytes;
  size_t scratch = 0;
  for (const auto& [key, primitive] : primitives_) {
    scratch = std::max(scratch, primitive->scratchpad_bytes());
  }
  products_offset_ = input_stride_ * static_cast<size_t>(products);
  scratch_offset_ = products_offset_ + product_stride_ * static_cast<size_t>(products);
  workspace_bytes_ = scratch_offset_ + scratch;
  return Status::Ok();
}

void FastConv::TransformInput(const Tile& tile, const Slab& slab, const Buffers& buffers) const {
  const int64_t plane = problem_.in.c * problem_.in.h * problem_.in.w;
  const int64_t length = slab.in_count * plane;
  const size_t from_size = ElementSize(problem_.element);
  const size_t to_size = ElementSize(choice_.products);
  const auto* in =
      static_cast<const uint8_t*>(buffers.in) +
      static_cast<size_t>(tile.first_input * problem_.in.frame_elements() + slab.in_from * plane) *
          from_size;
  const size_t frame = static_cast<size_t>(problem_.in.frame_elements()) * from_size;
  const bool planar = buffers.planar_in != nullptr;
  const int64_t step = planar ? kBorderPiece / problem_.in.c * problem_.in.c : kPiece;
  ParallelFor((length + step - 1) / step, [&](int64_t piece) {
    const int64_t begin = piece * step;
    const int64_t count = std::min(step, length - begin);
    std::array<const void*, kMaxCombine> from;
    std::array<void*, kMaxCombine> to;
    alignas(64) float turned[kMostFrames][kBorderPiece];
    for (size_t i = 0; i < static_cast<size_t>(tile.inputs); ++i) {
      from[i] = in + frame * i + static_cast<size_t>(begin) * from_size;
      if (!planar) continue;
      const int64_t position =
          (tile.first_input + static_cast<int64_t>(i)) * problem_.in.frame_positions() +
          slab.in_from * problem_.in.h * problem_.in.w + begin / problem_.in.c;
      GetKernels().interleave(buffers.planar_in + position,
                              static_cast<size_t>(problem_.in.positions()),
                              static_cast<size_t>(problem_.in.c), turned[i], Element::kFloat32,
                              static_cast<size_t>(count / problem_.in.c));
      from[i] = turned[i];
    }
    for (size_t j = 0; j < static_cast<size_t>(tile.products); ++j) {
      to[j] = buffers.workspace + input_stride_ * j + static_cast<size_t>(begin) * to_size;
    }
    Combine combine;
    combine.in = from.data();
    combine.out = to.data();
    combine.matrix = tile.input_matrix.data();
    combine.cols = tile.inputs;
    combine.rows = tile.products;
    combine.length = static_cast<size_t>(count);
    combine.in_element = planar ? Element::kFloat32 : problem_.element;
    combine.out_element = choice_.products;
    GetKernels().combine(combine);
  });
}

void FastConv::TransformOutput(const Tile& tile, const Slab& slab, const Buffers& buffers) const {
  const int64_t plane = problem_.out.c * problem_.out.h * problem_.out.w;
  const int64_t length = slab.out_count * plane;
  const size_t size = ElementSize(problem_.element);
  const size_t offset =
      static_cast<size_t>(tile.from * problem_.out.frame_elements() + slab.out_from * plane) * size;
  const size_t frame = static_cast<size_t>(problem_.out.frame_elements()) * size;
  // A residual is read in the values' own element, which what is added to must then have.
  const bool planar = buffers.planar_out != nullptr;
  const Element element = problem_.element;
  const int64_t step = planar ? kBorderPiece / problem_.out.c * problem_.out.c : kPiece;
  ParallelFor((length + step - 1) / step, [&](int64_t piece) {
    const size_t begin = static_cast<size_t>(piece * step);
    const int64_t count = std::min(step, length - piece * step);
    alignas(64) float turned[kMostFrames][kBorderPiece];
    std::array<const void*, kMaxCombine> from;
    std::array<const void*, kMaxCombine> residual;
    std::array<void*, kMaxCombine> to;
    for (size_t j = 0; j < static_cast<size_t>(tile.products); ++j) {
      from[j] = buffers.workspace + products_offset_ + product_stride_ * j + begin * sizeof(float);
    }
    for (size_t t = 0; t < static_cast<size_t>(tile.outputs); ++t) {
      const size_t at = offset + frame * t + begin * size;
      to[t] = planar ? static_cast<void*>(turned[t]) : static_cast<uint8_t*>(buffers.out) + at;
      if (buffers.residual) residual[t] = static_cast<const uint8_t*>(buffers.residual) + at;
    }
    Combine combine;
    combine.in = from.data();
    combine.out = to.data();
    combine.matrix = tile.output_matrix.data();
    combine.cols = tile.products;
    combine.rows = tile.outputs;
    combine.length = static_cast<size_t>(count);
    combine.out_element = element;
    combine.bias = problem_.bias;
    combine.channels = static_cast<size_t>(problem_.out.c);
    combine.phase = begin;  // slabs and frames begin at channel 0
    combine.residual = buffers.residual ? residual.data() : nullptr;
    combine.activation = problem_.step->activation;
    GetKernels().combine(combine);
    for (int64_t t = 0; planar && t < tile.outputs; ++t) {
      const int64_t position = (tile.from + t) * problem_.out.frame_positions() +
                               slab.out_from * problem_.out.h * problem_.out.w +
                               static_cast<int64_t>(begin) / problem_.out.c;
      GetKernels().deinterleave(turned[t], element, static_cast<size_t>(problem_.out.c),
                                buffers.planar_out + position,
                                static_cast<size_t>(problem_.out.positions()),
                                static_cast<size_t>(count / problem_.out.c));
    }
  });
}

Status FastConv::Run(const Buffers& buffers) const {
  for (const Tile& tile : tiles_) {
    for (const Slab& slab : slabs_) {
      TransformInput(tile, slab, buffers);
      for (size_t j = 0; j < static_cast<size_t>(tile.products); ++j) {
        if (CancelRequested()) return Cancelled();
        Conv3d::Buffers b;
        b.src = buffers.workspace + input_stride_ * j;
        b.weights = tile.weights->data() + weights_stride_ * j;
        b.dst = buffers.workspace + products_offset_ + product_stride_ * j;
        b.scratchpad = buffers.workspace + scratch_offset_;
        slab.conv->Execute(b);
      }
      TransformOutput(tile, slab, buffers);
    }
  }
  return Status::Ok();
}

}  // namespace

Result<std::unique_ptr<ConvForm>> MakeFastConv(const ConvProblem& problem, const ConvChoice& choice,
                                               WeightCache& cache) {
  auto form = std::make_unique<FastConv>(problem, choice);
  SENTINODE_RETURN_IF_ERROR(form->Prepare(cache));
  return std::unique_ptr<ConvForm>(std::move(form));
}

}  // namespace sentinode::ops
