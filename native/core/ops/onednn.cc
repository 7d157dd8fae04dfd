#include "core/ops/onednn.h"

#include <oneapi/dnnl/dnnl.hpp>
#include <unordered_map>
#include <utility>
#include <vector>

namespace sentinode::ops {
namespace {

using dnnl::memory;
using Dims = memory::dims;

// One engine per process, leaked on purpose: primitives may outlive every object of ours.
const dnnl::engine& Engine() {
  static const dnnl::engine* const engine = new dnnl::engine(dnnl::engine::kind::cpu, 0);
  return *engine;
}

dnnl::stream& Stream() {
  static thread_local dnnl::stream stream(Engine());
  return stream;
}

memory::data_type TypeOf(Element element) {
  return element == Element::kFloat32 ? memory::data_type::f32 : memory::data_type::bf16;
}

memory View(const memory::desc& desc, const void* data) {
  return memory(desc, Engine(), const_cast<void*>(data));
}

void AppendActivation(dnnl::post_ops& ops, const Activation& activation) {
  const auto append = [&ops](dnnl::algorithm algorithm, float alpha, float beta) {
#if DNNL_VERSION_MAJOR >= 3
    ops.append_eltwise(algorithm, alpha, beta);
#else
    ops.append_eltwise(1.0f, algorithm, alpha, beta);
#endif
  };
  switch (activation.kind) {
    case ActivationKind::kRelu:
      return append(dnnl::algorithm::eltwise_relu, 0, 0);
    case ActivationKind::kLeakyRelu:
      return append(dnnl::algorithm::eltwise_relu, activation.alpha, 0);
    case ActivationKind::kClip:
      return append(dnnl::algorithm::eltwise_clip, activation.min, activation.max);
    case ActivationKind::kSigmoid:
      return append(dnnl::algorithm::eltwise_logistic, 0, 0);
    case ActivationKind::kTanh:
      return append(dnnl::algorithm::eltwise_tanh, 0, 0);
    case ActivationKind::kSilu:
      return append(dnnl::algorithm::eltwise_swish, activation.alpha, 0);
    case ActivationKind::kGelu:
      return append(dnnl::algorithm::eltwise_gelu_erf, 0, 0);
    case ActivationKind::kGeluTanh:
      return append(dnnl::algorithm::eltwise_gelu_tanh, 0, 0);
    default:
      break;  // none, or one that does not ride on sums
  }
}

dnnl::primitive_attr MakeAttributes(const Conv3dSpec& spec, const memory::desc& accumulator) {
  dnnl::post_ops ops;
  if (spec.accumulate) ops.append_sum(1.0f);
  if (spec.accumulator) ops.append_binary(dnnl::algorithm::binary_add, accumulator);
  AppendActivation(ops, spec.activation);
  dnnl::primitive_attr attributes;
  attributes.set_post_ops(ops);
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attributes;
}

dnnl::convolution_forward::primitive_desc MakePrimitiveDesc(
    const memory::desc& src, const memory::desc& weights, const memory::desc& bias,
    const memory::desc& dst, const Dims& strides, const Dims& dilations, const Dims& pad_begin,
    const Dims& pad_end, const dnnl::primitive_attr& attributes) {
  const auto kind = dnnl::prop_kind::forward_inference;
  const auto algorithm = dnnl::algorithm::convolution_direct;
#if DNNL_VERSION_MAJOR >= 3
  return {Engine(), kind,    algorithm, src,       weights, bias,
          dst,      strides, dilations, pad_begin, pad_end, attributes};
#else
  const dnnl::convolution_forward::desc desc(kind, algorithm, src, weights, bias, dst, strides,
                                             dilations, pad_begin, pad_end);
  return {desc, attributes, Engine()};
#endif
}

std::string LayoutName(const memory::desc& desc) {
#if DNNL_VERSION_MAJOR >= 3
  memory::desc copy = desc;  // get_blob() is not const before 3.8
  const std::vector<uint8_t> blob = copy.get_blob();
  return std::string(blob.begin(), blob.end());
#else
  const dnnl_memory_desc_t& data = desc.data;
  std::string name = std::to_string(data.data_type);
  const auto add = [&name](int64_t value) { name += "," + std::to_string(value); };
  for (int i = 0; i < data.ndims; ++i) {
    add(data.padded_dims[i]);
    add(data.format_desc.blocking.strides[i]);
  }
  for (int i = 0; i < data.format_desc.blocking.inner_nblks; ++i) {
    add(data.format_desc.blocking.inner_blks[i]);
    add(data.format_desc.blocking.inner_idxs[i]);
  }
  return name;
#endif
}

}  // namespace

std::string OneDnnVersion() {
  const dnnl_version_t* version = dnnl_version();
  return std::to_string(version->major) + "." + std::to_string(version->minor) + "." +
         std::to_string(version->patch);
}

bool HasBfloat16() { return dnnl::get_effective_cpu_isa() >= dnnl::cpu_isa::avx512_core_bf16; }

struct Conv3d::State {
  Conv3dSpec spec;
  memory::desc src;
  memory::desc weights;
  memory::desc bias;
  memory::desc dst;
  memory::desc accumulator;
  memory::desc scratchpad;
  dnnl::convolution_forward primitive;
  std::string layout;
  bool reference = false;
};

Conv3d::Conv3d(std::unique_ptr<State> state) : state_(std::move(state)) {}
Conv3d::~Conv3d() = default;

Result<std::shared_ptr<const Conv3d>> Conv3d::Create(const Conv3dSpec& spec) {
  const auto dims = [](const std::array<int64_t, 3>& a) { return Dims{a[0], a[1], a[2]}; };
  const auto volume = [](int64_t channels, const std::array<int64_t, 3>& a) {
    return Dims{1, channels, a[0], a[1], a[2]};
  };
  const Dims dilations{spec.dilations[0] - 1, spec.dilations[1] - 1, spec.dilations[2] - 1};
  Dims weights{spec.out_channels / spec.groups, spec.in_channels / spec.groups, spec.kernel[0],
               spec.kernel[1], spec.kernel[2]};
  if (spec.groups > 1) weights.insert(weights.begin(), spec.groups);

  auto state = std::make_unique<State>();
  state->spec = spec;
  try {
    const auto tag = memory::format_tag::ndhwc;
    state->src = memory::desc(volume(spec.in_channels, spec.in), TypeOf(spec.in_element), tag);
    state->dst = memory::desc(volume(spec.out_channels, spec.out), TypeOf(spec.out_element), tag);
    state->accumulator =
        memory::desc(volume(spec.out_channels, spec.out), memory::data_type::f32, tag);
    const memory::desc any(weights, TypeOf(spec.in_element), memory::format_tag::any);
    if (spec.bias) {
      state->bias =
          memory::desc(Dims{spec.out_channels}, memory::data_type::f32, memory::format_tag::a);
    }
    const auto pd = MakePrimitiveDesc(state->src, any, state->bias, state->dst, dims(spec.strides),
                                      dilations, dims(spec.pad_begin), dims(spec.pad_end),
                                      MakeAttributes(spec, state->accumulator));
    state->weights = pd.weights_desc();
    state->scratchpad = pd.scratchpad_desc();
    state->reference = std::string(pd.impl_info_str()).find("ref") != std::string::npos;
    state->layout = LayoutName(state->weights);
    state->primitive = dnnl::convolution_forward(pd);
  } catch (const dnnl::error& error) {
    return Status("INTERNAL", std::string("oneDNN refused a 3D convolution: ") + error.what());
  }
  return std::shared_ptr<const Conv3d>(new Conv3d(std::move(state)));
}

void Conv3d::Execute(const Buffers& buffers) const {
  const State& s = *state_;
  std::unordered_map<int, memory> arguments{{DNNL_ARG_SRC, View(s.src, buffers.src)},
                                            {DNNL_ARG_WEIGHTS, View(s.weights, buffers.weights)},
                                            {DNNL_ARG_DST, View(s.dst, buffers.dst)}};
  if (s.spec.bias) arguments.emplace(DNNL_ARG_BIAS, View(s.bias, buffers.bias));
  if (scratchpad_bytes() > 0) {
    arguments.emplace(DNNL_ARG_SCRATCHPAD, View(s.scratchpad, buffers.scratchpad));
  }
  if (s.spec.accumulator) {
    arguments.emplace(DNNL_ARG_ATTR_MULTIPLE_POST_OP(0) | DNNL_ARG_SRC_1,
                      View(s.accumulator, buffers.accumulator));
  }
  s.primitive.execute(Stream(), arguments);
  Stream().wait();
}

size_t Conv3d::scratchpad_bytes() const { return state_->scratchpad.get_size(); }
size_t Conv3d::weights_bytes() const { return state_->weights.get_size(); }
const std::string& Conv3d::weights_layout() const { return state_->layout; }
bool Conv3d::is_reference() const { return state_->reference; }

void Conv3d::PrepareWeights(const float* from, int64_t in_stride, void* to) const {
  const Conv3dSpec& spec = state_->spec;
  const int64_t in = spec.in_channels / spec.groups;
  const int64_t out = spec.out_channels / spec.groups;
  const auto& k = spec.kernel;
  Dims sizes{out, in, k[0], k[1], k[2]};
  Dims strides{in * in_stride, in_stride, k[1] * k[2], k[2], 1};
  if (spec.groups > 1) {
    sizes.insert(sizes.begin(), spec.groups);
    strides.insert(strides.begin(), out * in * in_stride);
  }
  memory source = View(memory::desc(sizes, memory::data_type::f32, strides), from);
  memory target = View(state_->weights, to);
  dnnl::reorder(source, target).execute(Stream(), source, target);
  Stream().wait();
}

struct MatrixProduct::State {
  int64_t n;
  std::vector<float> a, b, c;
  memory::desc desc;
  dnnl::matmul primitive;
};

MatrixProduct::MatrixProduct(int64_t n) : state_(std::make_unique<State>()) {
  State& s = *state_;
  const size_t count = static_cast<size_t>(n * n);
  s.n = n;
  s.a.assign(count, 0.5f);
  s.b.assign(count, 0.25f);
  s.c.assign(count, 0.0f);
  s.desc = memory::desc(Dims{n, n}, memory::data_type::f32, memory::format_tag::ab);
#if DNNL_VERSION_MAJOR >= 3
  s.primitive = dnnl::matmul(dnnl::matmul::primitive_desc(Engine(), s.desc, s.desc, s.desc));
#else
  s.primitive = dnnl::matmul({dnnl::matmul::desc(s.desc, s.desc, s.desc), Engine()});
#endif
}

MatrixProduct::~MatrixProduct() = default;

void MatrixProduct::Run() {
  State& s = *state_;
  s.primitive.execute(Stream(), {{DNNL_ARG_SRC, View(s.desc, s.a.data())},
                                 {DNNL_ARG_WEIGHTS, View(s.desc, s.b.data())},
                                 {DNNL_ARG_DST, View(s.desc, s.c.data())}});
  Stream().wait();
}

double MatrixProduct::flops() const {
  const double n = static_cast<double>(state_->n);
  return 2 * n * n * n;
}

bool RidesOnSums(const Activation& activation) {
  switch (activation.kind) {
    case ActivationKind::kNone:
    case ActivationKind::kRelu:
    case ActivationKind::kLeakyRelu:
    case ActivationKind::kClip:
    case ActivationKind::kSigmoid:
    case ActivationKind::kTanh:
    case ActivationKind::kSilu:
    case ActivationKind::kGelu:
    case ActivationKind::kGeluTanh:
      return true;
    default:
      return false;
  }
}

}  // namespace sentinode::ops
