// Sizes of values, and how steps change them.
#pragma once

#include <cstdint>
#include <vector>

#include "core/base/status.h"
#include "core/ops/plan.h"

namespace sentinode::ops {

// One row's value: channels over frames (T), depth, height and width. In memory inside a region:
// [t][d][h][w][c].
struct Volume {
  int64_t c = 0;
  int64_t t = 0;
  int64_t d = 0;
  int64_t h = 0;
  int64_t w = 0;

  int64_t frame_positions() const { return d * h * w; }
  int64_t positions() const { return t * frame_positions(); }
  int64_t frame_elements() const { return c * frame_positions(); }
  int64_t elements() const { return c * positions(); }
  bool SameSize(const Volume& other) const {
    return t == other.t && d == other.d && h == other.h && w == other.w;
  }
  bool operator==(const Volume& other) const { return c == other.c && SameSize(other); }
};

// Volumes of every value of the plan (by value number) for these inputs. Fails with INVALID_REQUEST
// where a window does not fit, values that meet differ in size, or a size is beyond what can be
// addressed.
Result<std::vector<Volume>> PropagateVolumes(const Plan& plan, const std::vector<Volume>& inputs);

// Multiply-add operations, times two, of a convolution by the direct algorithm, padding counted:
// the number that GFLOP/s are given in.
double ConvFlops(const Step& step, const Volume& in, const Volume& out);

}  // namespace sentinode::ops
