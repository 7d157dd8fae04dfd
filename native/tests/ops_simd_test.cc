// The kernels of every instruction set that this machine has, one by one.
#include <gtest/gtest.h>

#include <cmath>

#include "core/ops/simd.h"
#include "ops_support.h"

namespace sentinode::ops::test {
namespace {

TEST(OpsSimd, EveryInstructionSetGivesTheSameNumbers) {
  Random random(24);
  const std::vector<float> a = Noise(random, 300, 1);
  const std::vector<float> b = Noise(random, 300, 1);
  const CombineTerm terms[4] = {{0, 1}, {1, 0.5f}, {0, -2}, {1, 3}};
  const int ends[2] = {2, 4};
  for (int index = 0; KernelsAt(index) != nullptr; ++index) {
    const Kernels& kernels = *KernelsAt(index);
    std::vector<float> sum(300, 0);
    std::vector<float> difference(300, 0);
    const void* in[2] = {a.data(), b.data()};
    void* out[2] = {sum.data(), difference.data()};
    Combine combine;
    combine.in = in;
    combine.out = out;
    combine.ends = ends;
    combine.terms = terms;
    combine.rows = 2;
    combine.count = static_cast<size_t>(299 / kernels.lanes);
    combine.lanes = static_cast<size_t>(kernels.lanes);
    combine.in_step = combine.out_step = kernels.lanes;
    kernels.combine(combine);
    combine.in_from = combine.out_from = 299 / kernels.lanes * kernels.lanes;
    combine.count = 1;
    combine.lanes = static_cast<size_t>(299 % kernels.lanes);
    kernels.combine(combine);
    for (size_t i = 0; i < 299; ++i) {
      EXPECT_NEAR(sum[i], a[i] + 0.5f * b[i], 1e-5) << kernels.name;
      EXPECT_NEAR(difference[i], -2 * a[i] + 3 * b[i], 1e-5) << kernels.name;
    }
    EXPECT_EQ(sum[299], 0);  // nothing is written past the end
    std::vector<float> blocked(300);
    std::vector<float> planar(300);
    for (const size_t channels : {1u, 3u, 10u, 30u}) {
      const size_t positions = 300 / channels;
      kernels.interleave(a.data(), positions, channels, blocked.data(), Element::kFloat32,
                         positions);
      for (size_t p = 0; p < positions; ++p) {
        for (size_t c = 0; c < channels; ++c) {
          ASSERT_EQ(blocked[p * channels + c], a[c * positions + p]) << kernels.name;
        }
      }
      kernels.deinterleave(blocked.data(), channels, Element::kFloat32, channels, planar.data(),
                           positions, positions);
      EXPECT_EQ(planar, a) << kernels.name;
    }
    // Ties go to even: 1 + 2^-8 lies between two bfloat16 numbers, 1 is the even one.
    const float values[3] = {1.00390625f, 1.01171875f, std::nanf("")};
    uint16_t rounded[3];
    kernels.convert(values, rounded, Element::kBfloat16, 3);
    EXPECT_EQ(rounded[0], 0x3f80) << kernels.name;
    EXPECT_EQ(rounded[1], 0x3f82) << kernels.name;
    EXPECT_EQ(rounded[2] & 0x7fc0, 0x7fc0) << kernels.name;
  }
}

}  // namespace
}  // namespace sentinode::ops::test
