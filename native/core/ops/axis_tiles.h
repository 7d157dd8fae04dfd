// How a convolution is computed along time and along depth: outputs are taken in tiles, and a tile
// is a few sums of products of prepared inputs and prepared weights, tap by tap or by Toom-Cook.
#pragma once

#include <cstdint>
#include <vector>

#include "core/ops/simd.h"

namespace sentinode::ops {

// A matrix by its entries that are not zero, as Combine takes it.
struct Mixture {
  int columns = 0;
  std::vector<int> ends;  // by row
  std::vector<CombineTerm> terms;

  int rows() const { return static_cast<int>(ends.size()); }
  void EndRow() { ends.push_back(static_cast<int>(terms.size())); }
};

Mixture IdentityMixture(int size);
// The Kronecker product: its row (i, k) and column (j, l) have a[i][j] * b[k][l].
Mixture Kronecker(const Mixture& a, const Mixture& b);

struct AxisTile {
  // Which prepared input meets which prepared weights.
  struct Product {
    int input = 0;
    int weight = 0;
  };
  int64_t from = 0;                        // outputs [from, from + finish.rows())
  std::vector<int64_t> inputs;             // that exist and are needed
  Mixture prepare;                         // of inputs
  std::vector<std::vector<Product>> sums;  // one without products is nothing
  Mixture finish;                          // of sums
};

struct Axis {
  std::vector<AxisTile> tiles;
  int weight_count = 0;
  std::vector<double> weights;  // [weight][tap]: prepared weights by what they are of each tap
  bool fast = false;            // else neither inputs nor sums are mixed
};

struct AxisWindow {
  int64_t in = 0;
  int64_t out = 0;
  int kernel = 1;
  int stride = 1;
  int dilation = 1;
  int pad = 0;
};

// Tap by tap, at most `largest` outputs a tile.
Axis ExactAxis(const AxisWindow& window, int64_t largest);
// Tap by tap, in the tiles of another axis with the same outputs.
Axis ExactAxis(const AxisWindow& window, const Axis& like);
// F(m, kernel), for stride and dilation 1. All tiles but the last have a multiple of `multiple`
// outputs, at most `largest` of them where that is possible; neither is above kMaxTileOutputs.
Axis FastAxis(const AxisWindow& window, int largest, int64_t multiple);

}  // namespace sentinode::ops
