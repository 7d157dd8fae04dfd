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

// One of two values that meet, row by row of the output; an axis of one position is spread.
class SpreadRows {
 public:
  SpreadRows(const Tensor& tensor, const Volume& out) : tensor_(tensor), out_(out) {}

  // The row as the output's, in `scratch` (a row of it) where it has to be spread.
  const void* Row(int64_t t, int64_t d, int64_t h, uint8_t* scratch) const {
    const Volume& v = tensor_.volume;
    const auto at = [](int64_t index, int64_t size) { return size == 1 ? 0 : index; };
    const uint8_t* from = tensor_.At(((at(t, v.t) * v.d + at(d, v.d)) * v.h + at(h, v.h)) * v.w);
    if (v.w == out_.w && v.c == out_.c) return from;
    const size_t position = static_cast<size_t>(out_.c) * ElementSize(tensor_.element);
    const size_t channels = static_cast<size_t>(out_.c);
    if (v.c != out_.c) {
      GetKernels().spread(from, scratch, tensor_.element, static_cast<size_t>(v.w), channels);
    } else {
      std::memcpy(scratch, from, position);
    }
    for (int64_t w = 1; v.w == 1 && w < out_.w; ++w) {
      std::memcpy(scratch + static_cast<size_t>(w) * position, scratch, position);
    }
    return scratch;
  }

 private:
  const Tensor& tensor_;
  const Volume& out_;
};

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
  if (activation.kind != ActivationKind::kPrelu) return RunSum({in}, activation, out);
  const auto spread = [&in](float x) {
    return std::vector<float>(static_cast<size_t>(in.volume.c) + kCyclicTail, x);
  };
  RunScaleShift(in, spread(1).data(), spread(0).data(), activation, out);
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

void RunPair(const Step& step, const Tensor& a, const Tensor& b, const Tensor& out) {
  Pair pair;
  pair.kind = step.kind;
  pair.element = out.element;
  pair.activation = step.activation;
  if (a.volume == b.volume) {
    ForPieces(out.volume.elements(), [&](int64_t from, size_t count) {
      Pair piece = pair;
      piece.a = ElementAt(a, from);
      piece.b = ElementAt(b, from);
      piece.out = ElementAt(out, from);
      piece.length = count;
      GetKernels().pair(piece);
    });
    return;
  }
  const Volume& v = out.volume;
  pair.length = static_cast<size_t>(v.w * v.c);
  const size_t bytes = pair.length * ElementSize(out.element);
  const SpreadRows left(a, v);
  const SpreadRows right(b, v);
  ParallelFor(v.t * v.d, [&](int64_t plane) {
    std::vector<uint8_t> scratch(2 * bytes);
    Pair row = pair;
    for (int64_t h = 0; h < v.h; ++h) {
      row.a = left.Row(plane / v.d, plane % v.d, h, scratch.data());
      row.b = right.Row(plane / v.d, plane % v.d, h, scratch.data() + bytes);
      row.out = out.At((plane * v.h + h) * v.w);
      GetKernels().pair(row);
    }
  });
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
