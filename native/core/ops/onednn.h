// oneDNN in one place: 3D convolutions of channels-last volumes, and the few differences between
// its versions 2 and 3. Include onednn.cc's neighbours, not dnnl.hpp.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "core/base/status.h"
#include "core/ops/plan.h"
#include "core/ops/simd.h"

namespace sentinode::ops {

// "2.6.3", of the library in the process.
std::string OneDnnVersion();

// Whether convolutions in bfloat16 run on instructions made for it.
bool HasBfloat16();

// dst = activation(conv(src) + bias + [dst or accumulator]), one frame, [d][h][w][c] both sides.
struct Conv3dSpec {
  int64_t in_channels = 0;
  int64_t out_channels = 0;
  int64_t groups = 1;
  // In the order D, H, W.
  std::array<int64_t, 3> in{};
  std::array<int64_t, 3> out{};
  std::array<int64_t, 3> kernel{};
  std::array<int64_t, 3> strides{};
  std::array<int64_t, 3> dilations{};  // 1 = dense
  std::array<int64_t, 3> pad_begin{};
  std::array<int64_t, 3> pad_end{};
  Element in_element = Element::kFloat32;   // of src and weights
  Element out_element = Element::kFloat32;  // of dst
  bool bias = false;
  bool accumulate = false;   // adds into dst
  bool accumulator = false;  // adds a float32 volume of dst's size
  Activation activation;
};

// Prepared for the number of threads of the thread that creates it. Execute may be called on
// several threads at once, each with a scratchpad of its own.
class Conv3d {
 public:
  // Fails with INTERNAL where oneDNN refuses.
  static Result<std::shared_ptr<const Conv3d>> Create(const Conv3dSpec& spec);
  ~Conv3d();

  struct Buffers {
    const void* src = nullptr;
    const void* weights = nullptr;
    const float* bias = nullptr;
    const float* accumulator = nullptr;
    void* dst = nullptr;
    void* scratchpad = nullptr;
  };
  void Execute(const Buffers& buffers) const;

  size_t scratchpad_bytes() const;
  size_t weights_bytes() const;
  // A name of the weights' layout: equal names, equal layouts.
  const std::string& weights_layout() const;
  // From [out][in / groups][kd][kh][kw], where neighbours of the second-slowest axis are
  // `in_stride` floats apart, to this convolution's layout and element, in `to` (weights_bytes()).
  void PrepareWeights(const float* from, int64_t in_stride, void* to) const;
  // oneDNN has no fast code for this case and would run plain loops.
  bool is_reference() const;

 private:
  struct State;
  explicit Conv3d(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// The machine's ceiling for comparison: GFLOP/s of a float32 matrix product of n x n x n, the best
// of `rounds` runs on this thread's OpenMP threads.
class MatrixProduct {
 public:
  explicit MatrixProduct(int64_t n);
  ~MatrixProduct();
  void Run();
  double flops() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Whether a convolution of oneDNN's can apply it.
bool RidesOnSums(const Activation& activation);

}  // namespace sentinode::ops
