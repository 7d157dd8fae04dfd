// Short convolutions with fewer multiplications than taps (Toom-Cook; Winograd 1980; Lavin and
// Gray, arXiv 1509.09308, use it in the plane, we along time and depth).
#pragma once

#include <cstdint>
#include <vector>

namespace sentinode::ops {

// F(outputs, taps): y = output * ((weight * w) . (input * x)), where y[i] = sum over k of w[k]
// x[i+k] and each of the `products` multiplications may be anything bilinear, here a
// convolution over the other axes.
struct ToomCook {
  int outputs = 0;
  int taps = 0;
  int products = 0;            // outputs + taps - 1, also the number of inputs
  std::vector<double> input;   // products x products
  std::vector<double> weight;  // products x taps
  std::vector<double> output;  // outputs x products
};

inline constexpr int kMaxTileOutputs = 6;
inline constexpr int kMaxTileTaps = 5;

// 1 <= outputs <= kMaxTileOutputs and 2 <= taps <= kMaxTileTaps.
ToomCook MakeToomCook(int outputs, int taps);

// Divides `frames` outputs into tiles of at most `largest`, as equal as may be, larger ones first.
std::vector<int> SplitFrames(int64_t frames, int largest);

}  // namespace sentinode::ops
