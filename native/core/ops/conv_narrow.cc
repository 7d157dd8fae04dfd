// The narrow form, for few input channels in a group: a vector of output channels at a time, every
// input broadcast. Inputs are first copied, padded and transformed along time, to rows
// [channel][w], so that neighbouring outputs read neighbouring floats; then each thread computes
// all products of a piece of an output row, and transforms them, adds bias and residual and
// activates while they are in its cache.
#include <algorithm>
#include <array>
#include <utility>

#include "core/base/cancel.h"
#include "core/ops/conv.h"
#include "core/ops/parallel.h"
#include "core/ops/toom_cook.h"

namespace sentinode::ops {
namespace {

// Of an output that is used up slab by slab: it should not leave the cache in between.
constexpr size_t kSlabBytes = size_t{3} << 20;

size_t RoundUp(size_t value, size_t unit) { return (value + unit - 1) / unit * unit; }

// One product (fast) or output frame (direct): what is summed.
struct Product {
  std::vector<int> frames;   // prepared input frames
  std::vector<int> weights;  // tap or product, one for each frame
};

// Output frames [from, from + outputs) and the prepared frames that they need.
struct Group {
  int64_t from = 0;
  int outputs = 0;
  int prepared = 0;     // frames to prepare
  int first_input = 0;  // input frames [first_input, first_input + inputs)
  int inputs = 0;
  std::vector<float>
      input_matrix;  // prepared x inputs; empty where prepared frames are input frames
  std::vector<float> output_matrix;  // outputs x products; empty where products are outputs
  std::vector<Product> products;
  std::shared_ptr<const WeightBuffer> weights;
};

class NarrowConv : public ConvForm {
 public:
  NarrowConv(const ConvProblem& problem, const ConvChoice& choice);
  void Prepare(WeightCache& cache);
  Status Run(const Buffers& buffers) const override;
  int64_t SlabDepth() const override { return problem_.slab_multiple > 0 ? slab_depth_ : 0; }

 private:
  Group DirectGroup(WeightCache& cache) const;
  Group FastGroup(int64_t from, int outputs, WeightCache& cache) const;
  size_t PackedBytes(int count) const;
  void PackWeights(const float* from, int count, size_t pair_stride, size_t stride,
                   float* to) const;
  void Layout();
  void PrepareRows(const Group& group, int64_t depth_from, int64_t depth_count,
                   const Buffers& buffers) const;
  void PrepareRow(const Group& group, int64_t depth, int64_t height, float* line, float** rows,
                  const void* in) const;
  void ComputeRow(const Group& group, int64_t slab_from, int64_t depth, int64_t height,
                  const Buffers& buffers) const;
  void FinishTile(const Group& group, const float* products, int width, int64_t position,
                  const Buffers& buffers) const;

  ConvProblem problem_;
  ConvChoice choice_;
  const Kernels& kernels_;
  std::vector<Group> groups_;
  int64_t group_in_ = 0;
  int64_t group_out_ = 0;
  size_t lanes_ = 0;
  size_t blocks_ = 0;        // vectors of output channels in a channel group
  size_t out_channels_ = 0;  // padded: floats of a position in a thread's products
  int tile_width_ = 0;
  // Prepared rows: [frame][depth of the slab][padded height][channel][phase][padded width].
  int64_t padded_h_ = 0;
  int64_t phase_width_ = 0;
  int64_t row_floats_ = 0;
  int64_t slab_depth_ = 0;   // output planes at a time
  int64_t slab_rows_ = 0;    // prepared planes for them
  size_t frame_floats_ = 0;  // between prepared frames
  std::vector<int32_t> tap_offsets_;
  size_t scratch_offset_ = 0;
  size_t scratch_bytes_ = 0;  // of one thread
};

NarrowConv::NarrowConv(const ConvProblem& problem, const ConvChoice& choice)
    : problem_(problem), choice_(choice), kernels_(GetKernels()) {
  group_in_ = problem.in.c / problem.step->groups;
  group_out_ = problem.out.c / problem.step->groups;
  lanes_ = static_cast<size_t>(kernels_.lanes);
  blocks_ = (static_cast<size_t>(group_out_) + lanes_ - 1) / lanes_;
  out_channels_ = static_cast<size_t>(problem.step->groups) * blocks_ * lanes_;
}

size_t NarrowConv::PackedBytes(int count) const {
  const Window& w = problem_.step->window;
  const size_t inner =
      static_cast<size_t>(w.kernel[1]) * static_cast<size_t>(w.kernel[2] * w.kernel[3]);
  return static_cast<size_t>(problem_.step->groups) * blocks_ * static_cast<size_t>(count) * inner *
         static_cast<size_t>(group_in_) * lanes_ * sizeof(float);
}

// [group][block][unit of count][kd][kh][kw][c][lane] from [out][in][unit][kd][kh][kw], or from
// [unit][out][in][kd][kh][kw]: a pair's units are `stride` apart, pairs `pair_stride`.
void NarrowConv::PackWeights(const float* from, int count, size_t pair_stride, size_t stride,
                             float* to) const {
  const Window& w = problem_.step->window;
  const size_t inner =
      static_cast<size_t>(w.kernel[1]) * static_cast<size_t>(w.kernel[2] * w.kernel[3]);
  const size_t group_out = static_cast<size_t>(group_out_);
  const size_t group_in = static_cast<size_t>(group_in_);
  const size_t vectors = static_cast<size_t>(problem_.step->groups) * blocks_;
  for (size_t vector = 0; vector < vectors; ++vector) {
    for (size_t unit = 0; unit < static_cast<size_t>(count); ++unit) {
      for (size_t i = 0; i < inner; ++i) {
        for (size_t c = 0; c < group_in; ++c) {
          for (size_t lane = 0; lane < lanes_; ++lane) {
            const size_t in_group = vector % blocks_ * lanes_ + lane;
            const size_t out = vector / blocks_ * group_out + in_group;
            const float* source = from + (out * group_in + c) * pair_stride + unit * stride + i;
            *to++ = in_group < group_out ? *source : 0.0f;
          }
        }
      }
    }
  }
}

Group NarrowConv::DirectGroup(WeightCache& cache) const {
  const Window& w = problem_.step->window;
  Group group;
  group.outputs = static_cast<int>(problem_.out.t);
  group.prepared = group.inputs = static_cast<int>(problem_.in.t);
  for (int64_t frame = 0; frame < problem_.out.t; ++frame) {
    Product product;
    for (int tap = 0; tap < w.kernel[0]; ++tap) {
      const int64_t from = frame * w.strides[0] + int64_t{tap} * w.dilations[0] - w.pads[0];
      if (from < 0 || from >= problem_.in.t) continue;
      product.frames.push_back(static_cast<int>(from));
      product.weights.push_back(tap);
    }
    group.products.push_back(std::move(product));
  }
  const size_t inner =
      static_cast<size_t>(w.kernel[1]) * static_cast<size_t>(w.kernel[2] * w.kernel[3]);
  const auto pack = [&](size_t, uint8_t* to) {
    PackWeights(problem_.weights, w.kernel[0], static_cast<size_t>(w.kernel[0]) * inner, inner,
                reinterpret_cast<float*>(to));
  };
  group.weights =
      cache.Get("narrow x" + std::to_string(lanes_), {1, PackedBytes(w.kernel[0]), pack});
  return group;
}

Group NarrowConv::FastGroup(int64_t from, int outputs, WeightCache& cache) const {
  const Window& w = problem_.step->window;
  const ToomCook form = MakeToomCook(outputs, w.kernel[0]);
  Group group;
  group.from = from;
  group.outputs = outputs;
  group.prepared = form.products;
  const int64_t start = from - w.pads[0];
  const int64_t first = std::clamp<int64_t>(-start, 0, form.products);
  const int64_t end = std::clamp<int64_t>(problem_.in.t - start, first, form.products);
  group.first_input = static_cast<int>(start + first);
  group.inputs = static_cast<int>(end - first);
  for (int j = 0; j < form.products; ++j) {
    for (int64_t i = first; i < end; ++i) {
      group.input_matrix.push_back(
          static_cast<float>(form.input[static_cast<size_t>(j * form.products + i)]));
    }
    group.products.push_back({{j}, {j}});
  }
  group.output_matrix.assign(form.output.begin(), form.output.end());
  const std::string name = "narrow-fast" + std::to_string(outputs) + " x" + std::to_string(lanes_);
  const auto pack = [&](size_t, uint8_t* to) {
    const size_t inner =
        static_cast<size_t>(w.kernel[1]) * static_cast<size_t>(w.kernel[2] * w.kernel[3]);
    const size_t product = static_cast<size_t>(problem_.out.c * group_in_) * inner;
    std::vector<float> transformed(product * static_cast<size_t>(form.products));
    for (int j = 0; j < form.products; ++j) {
      TransformWeights(problem_, form, j, transformed.data() + product * static_cast<size_t>(j));
    }
    PackWeights(transformed.data(), form.products, inner, product, reinterpret_cast<float*>(to));
  };
  group.weights = cache.Get(name, {1, PackedBytes(form.products), pack});
  return group;
}

void NarrowConv::Layout() {
  const Window& w = problem_.step->window;
  const Volume& out = problem_.out;
  const auto reach = [&w](size_t axis, int64_t outputs) {
    return (outputs - 1) * w.strides[axis] + int64_t{w.dilations[axis]} * (w.kernel[axis] - 1) + 1;
  };
  // The last pieces of a row overlap their neighbours rather than being short.
  const int64_t pieces = (out.w + kernels_.narrow_width - 1) / kernels_.narrow_width;
  tile_width_ = static_cast<int>((out.w + pieces - 1) / pieces);
  padded_h_ = reach(2, out.h);
  const int64_t stride = w.strides[3];
  phase_width_ = (reach(3, out.w) + stride - 1) / stride;
  row_floats_ = problem_.in.c * stride * phase_width_;
  for (int kw = 0; kw < w.kernel[3]; ++kw) {
    for (int64_t c = 0; c < group_in_; ++c) {
      const int64_t at = int64_t{kw} * w.dilations[3];
      tap_offsets_.push_back(
          static_cast<int32_t>((c * stride + at % stride) * phase_width_ + at / stride));
    }
  }
  size_t prepared = 0;
  size_t products = 0;
  for (const Group& group : groups_) {
    prepared = std::max(prepared, static_cast<size_t>(group.prepared));
    products = std::max(products, group.products.size());
  }
  slab_depth_ = out.d;
  if (problem_.slab_multiple > 0) {
    const size_t planes = static_cast<size_t>(out.t * out.h * out.w * out.c) *
                          static_cast<size_t>(problem_.slab_multiple) *
                          ElementSize(problem_.element);
    slab_depth_ =
        problem_.slab_multiple * static_cast<int64_t>(std::max<size_t>(1, kSlabBytes / planes));
  }
  const auto slab_bytes = [&] {
    return prepared * static_cast<size_t>(reach(1, slab_depth_) * padded_h_ * row_floats_) *
           sizeof(float);
  };
  while (problem_.slab_multiple == 0 && slab_depth_ > 1 &&
         slab_bytes() > WorkspaceBudget(problem_)) {
    slab_depth_ = (slab_depth_ + 1) / 2;
  }
  slab_rows_ = reach(1, slab_depth_);
  frame_floats_ = RoundUp(static_cast<size_t>(slab_rows_ * padded_h_ * row_floats_), 16);
  scratch_offset_ = prepared * frame_floats_ * sizeof(float);
  const size_t line = static_cast<size_t>(problem_.in.w * problem_.in.c) * prepared;
  const size_t tile = products * static_cast<size_t>(tile_width_) * out_channels_;
  scratch_bytes_ = RoundUp(std::max(line, tile) * sizeof(float), 64);
  workspace_bytes_ = scratch_offset_ + scratch_bytes_ * static_cast<size_t>(problem_.threads);
}

void NarrowConv::Prepare(WeightCache& cache) {
  if (choice_.kind == ConvKind::kNarrow) {
    groups_.push_back(DirectGroup(cache));
  } else {
    int64_t from = 0;
    for (const int outputs : SplitFrames(problem_.out.t, choice_.tile)) {
      groups_.push_back(FastGroup(from, outputs, cache));
      from += outputs;
    }
  }
  std::vector<const WeightBuffer*> counted;
  for (const Group& group : groups_) {
    if (std::find(counted.begin(), counted.end(), group.weights.get()) != counted.end()) continue;
    counted.push_back(group.weights.get());
    weights_bytes_ += group.weights->bytes();
  }
  Layout();
}

// One row of each prepared frame: `rows` are where they go, `line` has room for them channels-last.
void NarrowConv::PrepareRow(const Group& group, int64_t depth, int64_t height, float* line,
                            float** rows, const void* in) const {
  const Window& w = problem_.step->window;
  const size_t prepared = static_cast<size_t>(group.prepared);
  const bool inside = depth >= 0 && depth < problem_.in.d && height >= 0 && height < problem_.in.h;
  for (size_t j = 0; j < prepared; ++j) std::fill(rows[j], rows[j] + row_floats_, 0.0f);
  if (!inside || group.inputs == 0) return;

  const int64_t channels = problem_.in.c;
  const int64_t length = problem_.in.w * channels;
  const bool in_place = channels == 1 && w.strides[3] == 1;
  const int64_t kept = std::min<int64_t>(problem_.in.w, phase_width_ * w.strides[3] - w.pads[3]);
  const size_t element = ElementSize(problem_.element);
  std::vector<const void*> from(static_cast<size_t>(group.inputs));
  std::vector<void*> to(prepared);
  for (size_t i = 0; i < from.size(); ++i) {
    const int64_t frame = group.first_input + static_cast<int64_t>(i);
    const int64_t position =
        ((frame * problem_.in.d + depth) * problem_.in.h + height) * problem_.in.w;
    from[i] = static_cast<const uint8_t*>(in) + static_cast<size_t>(position * channels) * element;
  }
  for (size_t j = 0; j < prepared; ++j) {
    to[j] = in_place ? rows[j] + w.pads[3] : line + static_cast<int64_t>(j) * length;
  }
  Combine combine;
  combine.length = static_cast<size_t>(in_place ? std::max<int64_t>(kept, 0) : length);
  combine.in_element = problem_.element;
  const float one = 1;
  if (group.input_matrix.empty()) {
    combine.matrix = &one;
    combine.rows = combine.cols = 1;
    for (size_t j = 0; j < prepared; ++j) {
      combine.in = &from[j];
      combine.out = &to[j];
      kernels_.combine(combine);
    }
  } else {
    combine.in = from.data();
    combine.out = to.data();
    combine.matrix = group.input_matrix.data();
    combine.cols = group.inputs;
    combine.rows = group.prepared;
    kernels_.combine(combine);
  }
  if (in_place) return;
  const size_t channel_floats = static_cast<size_t>(w.strides[3] * phase_width_);
  for (size_t j = 0; j < prepared; ++j) {
    const float* source = line + static_cast<int64_t>(j) * length;
    if (w.strides[3] == 1) {
      kernels_.deinterleave(source, Element::kFloat32, static_cast<size_t>(channels),
                            rows[j] + w.pads[3], channel_floats,
                            static_cast<size_t>(std::max<int64_t>(kept, 0)));
      continue;
    }
    for (int64_t x = 0; x < kept; ++x) {
      const int64_t at = x + w.pads[3];
      float* target = rows[j] + at % w.strides[3] * phase_width_ + at / w.strides[3];
      for (size_t c = 0; c < static_cast<size_t>(channels); ++c) {
        target[c * channel_floats] = source[x * channels + static_cast<int64_t>(c)];
      }
    }
  }
}

void NarrowConv::PrepareRows(const Group& group, int64_t depth_from, int64_t depth_count,
                             const Buffers& buffers) const {
  const Window& w = problem_.step->window;
  const int64_t planes =
      (depth_count - 1) * w.strides[1] + int64_t{w.dilations[1]} * (w.kernel[1] - 1) + 1;
  float* prepared = reinterpret_cast<float*>(buffers.workspace);
  ParallelFor(planes * padded_h_, [&](int64_t index) {
    const int64_t depth = depth_from * w.strides[1] - w.pads[1] + index / padded_h_;
    const int64_t height = index % padded_h_ - w.pads[2];
    float* line = reinterpret_cast<float*>(buffers.workspace + scratch_offset_ +
                                           scratch_bytes_ * static_cast<size_t>(ThreadIndex()));
    std::vector<float*> rows(static_cast<size_t>(group.prepared));
    for (size_t j = 0; j < rows.size(); ++j) {
      rows[j] = prepared + frame_floats_ * j + index * row_floats_;
    }
    PrepareRow(group, depth, height, line, rows.data(), buffers.in);
  });
}

// From a thread's products [product][position][padded channels] to the output.
void NarrowConv::FinishTile(const Group& group, const float* products, int width, int64_t position,
                            const Buffers& buffers) const {
  const size_t channels = static_cast<size_t>(problem_.out.c);
  const size_t element = ElementSize(problem_.element);
  const int64_t planes = buffers.after_slab ? slab_depth_ : problem_.out.d;
  const size_t frame =
      static_cast<size_t>(planes * problem_.out.h * problem_.out.w * problem_.out.c) * element;
  const size_t product = static_cast<size_t>(tile_width_) * out_channels_;
  // Groups that do not fill their vectors are gathered one at a time; without groups, padding only
  // parts positions.
  const size_t groups = static_cast<size_t>(problem_.step->groups);
  const bool whole = out_channels_ == channels;
  const size_t runs = whole ? 1 : static_cast<size_t>(width) * groups;
  const size_t run_length =
      whole ? static_cast<size_t>(width) * channels : static_cast<size_t>(group_out_);
  const bool identity = group.output_matrix.empty();
  const float one = 1;
  std::array<const void*, kMaxCombine> in;
  std::array<const void*, kMaxCombine> residual;
  std::array<void*, kMaxCombine> out;
  Combine combine;
  combine.length = run_length;
  combine.out_element = problem_.element;
  combine.channels = channels;
  combine.activation = problem_.step->activation;
  for (size_t run = 0; run < runs; ++run) {
    const size_t channel = run % groups * static_cast<size_t>(group_out_);
    const size_t to = (static_cast<size_t>(position) + run / groups) * channels + channel;
    const float* from = products + run * blocks_ * lanes_;
    combine.bias = problem_.bias;
    combine.phase = channel;
    const size_t passes = identity ? static_cast<size_t>(group.outputs) : 1;
    const size_t rows = identity ? 1 : static_cast<size_t>(group.outputs);
    for (size_t pass = 0; pass < passes; ++pass) {
      for (size_t r = 0; r < rows; ++r) {
        const size_t t = static_cast<size_t>(group.from) + pass + r;
        out[r] = static_cast<uint8_t*>(buffers.out) + frame * t + to * element;
        if (buffers.residual) {
          residual[r] = static_cast<const uint8_t*>(buffers.residual) + frame * t + to * element;
        }
      }
      const size_t cols = identity ? 1 : group.products.size();
      for (size_t c = 0; c < cols; ++c) in[c] = from + product * (pass + c);
      combine.in = in.data();
      combine.out = out.data();
      combine.residual = buffers.residual ? residual.data() : nullptr;
      combine.matrix = identity ? &one : group.output_matrix.data();
      combine.rows = static_cast<int>(rows);
      combine.cols = static_cast<int>(cols);
      kernels_.combine(combine);
    }
  }
}

void NarrowConv::ComputeRow(const Group& group, int64_t slab_from, int64_t depth, int64_t height,
                            const Buffers& buffers) const {
  const Window& w = problem_.step->window;
  const float* prepared = reinterpret_cast<const float*>(buffers.workspace);
  const float* packed = reinterpret_cast<const float*>(group.weights->data());
  float* scratch = reinterpret_cast<float*>(buffers.workspace + scratch_offset_ +
                                            scratch_bytes_ * static_cast<size_t>(ThreadIndex()));
  const size_t unit = static_cast<size_t>(w.kernel[1] * w.kernel[2]) * tap_offsets_.size() * lanes_;
  const size_t units =
      choice_.kind == ConvKind::kNarrow ? static_cast<size_t>(w.kernel[0]) : group.products.size();
  const int64_t plane_floats = padded_h_ * row_floats_;
  const float* corner = prepared + (depth - slab_from) * w.strides[1] * plane_floats +
                        height * w.strides[2] * row_floats_;
  const int64_t channel_floats = int64_t{w.strides[3]} * phase_width_;
  std::array<const float*, kMaxCombine> sources;
  std::array<const float*, kMaxCombine> weights;
  NarrowTile tile;
  tile.sources = sources.data();
  tile.weights = weights.data();
  tile.kernel_d = w.kernel[1];
  tile.kernel_h = w.kernel[2];
  tile.row_taps = static_cast<int>(tap_offsets_.size());
  tile.tap_offsets = tap_offsets_.data();
  tile.step_d = w.dilations[1] * plane_floats;
  tile.step_h = w.dilations[2] * row_floats_;
  tile.out_stride = out_channels_;
  const size_t vectors = static_cast<size_t>(problem_.step->groups) * blocks_;
  for (int64_t done = 0; done < problem_.out.w; done += tile_width_) {
    const int64_t from = std::min(done, problem_.out.w - tile_width_);
    for (size_t vector = 0; vector < vectors; ++vector) {
      const int64_t channel = static_cast<int64_t>(vector / blocks_) * group_in_;
      for (size_t j = 0; j < group.products.size(); ++j) {
        const Product& product = group.products[j];
        for (size_t term = 0; term < product.frames.size(); ++term) {
          sources[term] = corner + frame_floats_ * static_cast<size_t>(product.frames[term]) +
                          channel * channel_floats + from;
          weights[term] =
              packed + (vector * units + static_cast<size_t>(product.weights[term])) * unit;
        }
        tile.terms = static_cast<int>(product.frames.size());
        tile.out = scratch + j * static_cast<size_t>(tile_width_) * out_channels_ + vector * lanes_;
        kernels_.narrow_tile(tile, tile_width_);
      }
    }
    const int64_t plane = buffers.after_slab ? depth - slab_from : depth;
    const int64_t position = (plane * problem_.out.h + height) * problem_.out.w + from;
    FinishTile(group, scratch, tile_width_, position, buffers);
  }
}

Status NarrowConv::Run(const Buffers& buffers) const {
  for (int64_t from = 0; from < problem_.out.d; from += slab_depth_) {
    const int64_t count = std::min(slab_depth_, problem_.out.d - from);
    for (const Group& group : groups_) {
      if (CancelRequested()) return Cancelled();
      PrepareRows(group, from, count, buffers);
      ParallelForDynamic(count * problem_.out.h, [&](int64_t index) {
        ComputeRow(group, from, from + index / problem_.out.h, index % problem_.out.h, buffers);
      });
    }
    if (buffers.after_slab) buffers.after_slab(from, count);
  }
  return Status::Ok();
}

}  // namespace

Result<std::unique_ptr<ConvForm>> MakeNarrowConv(const ConvProblem& problem,
                                                 const ConvChoice& choice, WeightCache& cache) {
  auto form = std::make_unique<NarrowConv>(problem, choice);
  form->Prepare(cache);
  return std::unique_ptr<ConvForm>(std::move(form));
}

}  // namespace sentinode::ops
