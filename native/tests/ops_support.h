// Plain float64 loops over four spatial axes to compare the operators with, and small regions to
// run them in. Written from ONNX's definitions; shares nothing with core but the structures of a
// plan.
#pragma once

#include <functional>
#include <random>
#include <string>
#include <vector>

#include "core/ops/geometry.h"
#include "core/ops/region.h"

namespace sentinode::ops::test {

// One row, planar: [c][t][d][h][w].
struct Array {
  Volume volume;
  std::vector<double> data;

  explicit Array(const Volume& v, double fill = 0)
      : volume(v), data(static_cast<size_t>(v.elements()), fill) {}
  double& at(int64_t c, int64_t t, int64_t d, int64_t h, int64_t w);
  double at(int64_t c, int64_t t, int64_t d, int64_t h, int64_t w) const {
    return const_cast<Array*>(this)->at(c, t, d, h, w);
  }
};

using Random = std::mt19937;
int Pick(Random& random, int lowest, int highest);
Array Noise(Random& random, const Volume& volume);
std::vector<float> Noise(Random& random, size_t count, double scale);

// `weights` [out][in / groups][kT][kD][kH][kW], `bias` may be empty, `residual` null.
Array ReferenceConv(const Step& step, const Array& in, const Volume& out, const float* weights,
                    const std::vector<float>& bias, const Array* residual);
Array ReferencePool(const Step& step, const Array& in, const Volume& out);
Array ReferenceNorm(const Array& in, int64_t channels_per_group, double epsilon,
                    const std::vector<float>& scale, const std::vector<float>& shift);
double ReferenceActivation(const Activation& activation, double x);

// Largest difference as a share of the largest expected value (of 1 where all are smaller).
double Difference(const Array& expected, const Array& found);

// A plan and its side file in a folder of its own, removed at the end.
class RegionFixture {
 public:
  RegionFixture();
  ~RegionFixture();
  RegionFixture(const RegionFixture&) = delete;
  RegionFixture& operator=(const RegionFixture&) = delete;

  // The offset of these numbers in the side file.
  int64_t Weights(const std::vector<float>& values);
  void Line(const std::string& line) { body_ += line + "\n"; }
  void Header(const std::string& line) { header_ += line + "\n"; }

  std::string precision = "fp32";
  bool keep_precision = true;
  bool exact_taps = false;
  int threads = 2;

  std::string PlanText() const;
  Result<std::unique_ptr<Region>> Create();
  const std::string& folder() const { return folder_; }

 private:
  std::string folder_;
  std::string header_;
  std::string body_;
  std::vector<float> weights_;
};

// Runs rows of inputs (by row, then by input) and gives outputs (by row, then by output).
std::vector<std::vector<Array>> RunRegion(Region& region,
                                          const std::vector<std::vector<Array>>& rows);

// The line of a plan by which `in` is the region's first input.
std::string Input(const Array& in);

// "kernel=... strides=... dilations=... pads=..."
std::string WindowText(const Window& window, bool dilations);

}  // namespace sentinode::ops::test
