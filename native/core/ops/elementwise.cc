#include <algorithm>
#include <cstring>

#include "core/ops/parallel.h"
#include "core/ops/steps.h"

namespace sentinode::ops {
namespace {

constexpr int64_t kPiece = 16384;  // elements

// body(first element, count) over `elements`, in parallel.
template <typename Body>
void ForPieces(int64_t elements, const Body& body) {
  ParallelFor((elements + kPiece - 1) / kPiece, [&](int64_t piece) {
    const int64_t from = piece * kPiece;
    body(from, static_cast<size_t>(std::min(kPiece, elements - from)));
  });
}

uint8_t* ElementAt(const Tensor& tensor, int64_t index) {
  return static_cast<uint8_t*>(tensor.data) +
         static_cast<size_t>(index) * ElementSize(tensor.element);
}

// The values of a tensor of one position.
std::vector<float> ChannelValues(const Tensor& tensor) {
  std::vector<float> values(static_cast<size_t>(tensor.volume.c));
  Deinterleave(tensor, values.data());
  return values;
}

// out = activation(sum of the inputs), elementwise.
void RunSum(const std::vector<Tensor>& in, const Activation& activation, const Tensor& out) {
  const CombineTerm terms[2] = {{0, 1}, {1, 1}};
  const int end = static_cast<int>(in.size());
  ForPieces(out.volume.elements(), [&](int64_t from, size_t count) {
    const void* inputs[2] = {};
    for (size_t i = 0; i < in.size(); ++i) inputs[i] = ElementAt(in[i], from);
    void* output = ElementAt(out, from);
    Combine combine;
    combine.in = inputs;
    combine.out = &output;
    combine.ends = &end;
    combine.terms = terms;
    combine.in_element = combine.out_element = out.element;
    combine.activation = activation;
    CombineRow(GetKernels(), combine, count);
  });
}

}  // namespace

std::vector<float> Cyclic(const float* values, int64_t channels) {
  std::vector<float> result(static_cast<size_t>(channels) + kCyclicTail);
  for (size_t i = 0; i < result.size(); ++i) result[i] = values[i % static_cast<size_t>(channels)];
  return result;
}

void RunScaleShift(const Tensor& in, const float* scale, const float* shift,
                   const Activation& activation, const Tensor& out) {
  ForPieces(out.volume.elements(), [&](int64_t from, size_t count) {
    ScaleShift task;
    task.in = ElementAt(in, from);
    task.out = ElementAt(out, from);
    task.element = out.element;
    task.scale = scale;
    task.shift = shift;
    task.channels = static_cast<size_t>(out.volume.c);
    task.phase = static_cast<size_t>(from);
    task.length = count;
    task.activation = activation;
    GetKernels().scale_shift(task);
  });
}

void RunActivation(const Activation& activation, const Tensor& in, const Tensor& out) {
  RunSum({in}, activation, out);
}

void RunConcat(const std::vector<Tensor>& in, const Tensor& out) {
  const int64_t positions = out.volume.positions();
  constexpr int64_t kPositions = 256;
  ParallelFor((positions + kPositions - 1) / kPositions, [&](int64_t piece) {
    const int64_t end = std::min(positions, (piece + 1) * kPositions);
    for (int64_t position = piece * kPositions; position < end; ++position) {
      uint8_t* to = out.At(position);
      for (const Tensor& tensor : in) {
        const size_t bytes = static_cast<size_t>(tensor.volume.c) * ElementSize(tensor.element);
        std::memcpy(to, tensor.At(position), bytes);
        to += bytes;
      }
    }
  });
}

void RunElementwise(const Step& step, const Tensor& a, const Tensor& b, const Tensor& out) {
  const bool add = step.kind == StepKind::kAdd;
  if (a.volume == b.volume) {
    if (add) {
      RunSum({a, b}, step.activation, out);
      return;
    }
    ForPieces(out.volume.elements(), [&](int64_t from, size_t count) {
      GetKernels().multiply(ElementAt(a, from), ElementAt(b, from), ElementAt(out, from),
                            out.element, count, step.activation);
    });
    return;
  }
  const bool spread_a = a.volume.positions() == 1;
  const Tensor& whole = spread_a ? b : a;
  const std::vector<float> one = ChannelValues(spread_a ? a : b);
  const std::vector<float> fill(one.size(), add ? 1.0f : 0.0f);
  const std::vector<float> values = Cyclic(one.data(), out.volume.c);
  const std::vector<float> other = Cyclic(fill.data(), out.volume.c);
  RunScaleShift(whole, (add ? other : values).data(), (add ? values : other).data(),
                step.activation, out);
}

void Interleave(const float* planar, const Tensor& out) {
  const int64_t positions = out.volume.positions();
  constexpr int64_t kPositions = 1024;
  ParallelFor((positions + kPositions - 1) / kPositions, [&](int64_t piece) {
    const int64_t from = piece * kPositions;
    GetKernels().interleave(planar + from, static_cast<size_t>(positions),
                            static_cast<size_t>(out.volume.c), out.At(from), out.element,
                            static_cast<size_t>(std::min(kPositions, positions - from)));
  });
}

void Deinterleave(const Tensor& in, float* planar) {
  const int64_t positions = in.volume.positions();
  constexpr int64_t kPositions = 1024;
  ParallelFor((positions + kPositions - 1) / kPositions, [&](int64_t piece) {
    const int64_t from = piece * kPositions;
    GetKernels().deinterleave(in.At(from), static_cast<size_t>(in.volume.c), in.element,
                              static_cast<size_t>(in.volume.c), planar + from,
                              static_cast<size_t>(positions),
                              static_cast<size_t>(std::min(kPositions, positions - from)));
  });
}

}  // namespace sentinode::ops
