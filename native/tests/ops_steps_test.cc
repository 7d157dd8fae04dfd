// Every kind of step but convolution, alone in its region, against float64 loops.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "ops_support.h"

namespace sentinode::ops::test {
namespace {

// The one output of a region with one input.
Array RunOne(RegionFixture& fixture, const Array& in) {
  auto region = fixture.Create();
  EXPECT_TRUE(region.ok()) << region.status().message();
  if (!region.ok()) return Array(in.volume);
  auto results = RunRegion(*region.value(), {{in}});
  return results.empty() ? Array(in.volume) : results[0][0];
}

TEST(OpsSteps, PoolsMatchDirectLoopsWithRandomAttributes) {
  Random random(11);
  for (int i = 0; i < 60; ++i) {
    Step step;
    step.kind = i % 2 == 0 ? StepKind::kMaxPool : StepKind::kAveragePool;
    const bool max = step.kind == StepKind::kMaxPool;
    for (size_t axis = 0; axis < 4; ++axis) {
      step.window.kernel[axis] = Pick(random, 1, 3);
      step.window.strides[axis] = Pick(random, 1, 3);
      step.window.dilations[axis] = max ? Pick(random, 1, 2) : 1;
      step.window.pads[axis] = Pick(random, 0, step.window.kernel[axis] - 1);
      step.window.pads[axis + 4] = Pick(random, 0, step.window.kernel[axis] - 1);
    }
    step.ceil_mode = Pick(random, 0, 1) == 1;
    step.count_include_pad = !max && Pick(random, 0, 1) == 1;
    const Array in = Noise(random, {Pick(random, 1, 20), Pick(random, 4, 6), Pick(random, 4, 7),
                                    Pick(random, 4, 7), Pick(random, 4, 9)});
    RegionFixture fixture;
    fixture.Line(Input(in));
    fixture.Line(
        std::string(max ? "max_pool" : "average_pool") + " in=0 out=1" +
        WindowText(step.window, max) + " ceil_mode=" + (step.ceil_mode ? "1" : "0") +
        (max ? "" : std::string(" count_include_pad=") + (step.count_include_pad ? "1" : "0")));
    fixture.Line("output value=1");
    const Array found = RunOne(fixture, in);
    EXPECT_LT(Difference(ReferencePool(step, in, found.volume), found), 1e-5) << fixture.PlanText();
  }
}

TEST(OpsSteps, CeilModeDropsAWindowThatBeginsInTheEndPadding) {
  RegionFixture fixture;
  fixture.Line("input value=0 channels=1");
  fixture.Line(
      "average_pool in=0 out=1 kernel=1,1,1,3 strides=1,1,1,2 pads=0,0,0,1,0,0,0,1 ceil_mode=1 "
      "count_include_pad=1");
  fixture.Line("output value=1");
  Array in({1, 1, 1, 1, 4});
  in.data = {1, 2, 3, 4};
  const Array found = RunOne(fixture, in);
  ASSERT_EQ(found.volume.w, 3);
  // Windows (pad 1 2), (2 3 4), (4 pad): the last reaches one past the padding, which does not
  // count.
  EXPECT_FLOAT_EQ(static_cast<float>(found.data[0]), 1.0f);
  EXPECT_FLOAT_EQ(static_cast<float>(found.data[1]), 3.0f);
  EXPECT_FLOAT_EQ(static_cast<float>(found.data[2]), 2.0f);
}

TEST(OpsSteps, NormsSeeAllFrames) {
  Random random(12);
  for (const int groups : {0, 1, 2, 6}) {  // 0: instance normalisation
    const Array in = Noise(random, {6, 5, 7, 9, 11});
    const std::vector<float> scale = Noise(random, 6, 1);
    const std::vector<float> shift = Noise(random, 6, 1);
    RegionFixture fixture;
    const int64_t scale_at = fixture.Weights(scale);
    const int64_t shift_at = fixture.Weights(shift);
    fixture.Line(Input(in));
    fixture.Line((groups == 0 ? "instance_norm in=0 out=1"
                              : "group_norm in=0 out=1 groups=" + std::to_string(groups)) +
                 std::string(" epsilon=1e-05 scale=") + std::to_string(scale_at) +
                 " shift=" + std::to_string(shift_at));
    fixture.Line("output value=1");
    const Array expected = ReferenceNorm(in, groups == 0 ? 1 : 6 / groups, 1e-5, scale, shift);
    EXPECT_LT(Difference(expected, RunOne(fixture, in)), 1e-5);
  }
}

TEST(OpsSteps, NormsKeepTheirPrecisionFarFromZero) {
  Random random(13);
  Array in = Noise(random, {3, 5, 8, 8, 8});
  for (double& x : in.data) x = static_cast<double>(static_cast<float>(x + 1000));
  RegionFixture fixture;
  const int64_t ones = fixture.Weights({1, 1, 1});
  const int64_t zeros = fixture.Weights({0, 0, 0});
  fixture.Line(Input(in));
  fixture.Line("instance_norm in=0 out=1 epsilon=1e-05 scale=" + std::to_string(ones) +
               " shift=" + std::to_string(zeros));
  fixture.Line("output value=1");
  const Array expected = ReferenceNorm(in, 1, 1e-5, {1, 1, 1}, {0, 0, 0});
  EXPECT_LT(Difference(expected, RunOne(fixture, in)), 1e-3);
}

TEST(OpsSteps, ActivationsMatchTheirDefinitions) {
  Random random(14);
  const std::pair<std::string, Activation> activations[] = {
      {"relu", {ActivationKind::kRelu}},
      {"leaky_relu alpha=0.01", {ActivationKind::kLeakyRelu, 0.01f}},
      {"clip min=-0.5 max=inf", {ActivationKind::kClip, 0, -0.5f}},
      {"clip min=0 max=6", {ActivationKind::kClip, 0, 0, 6}},
      {"sigmoid", {ActivationKind::kSigmoid}},
      {"tanh", {ActivationKind::kTanh}},
  };
  for (const auto& [text, activation] : activations) {
    Array in = Noise(random, {3, 2, 3, 4, 37});
    for (double& x : in.data) x = static_cast<double>(static_cast<float>(x * 5));
    in.data[0] = 100;
    in.data[1] = -100;
    in.data[2] = 1e-4;
    RegionFixture fixture;
    fixture.Line(Input(in));
    fixture.Line("activation in=0 out=1 activation=" + text);
    fixture.Line("output value=1");
    Array expected(in.volume);
    for (size_t i = 0; i < in.data.size(); ++i) {
      expected.data[i] =
          ReferenceActivation(activation, static_cast<double>(static_cast<float>(in.data[i])));
    }
    EXPECT_LT(Difference(expected, RunOne(fixture, in)), 1e-6) << text;
  }
}

TEST(OpsSteps, ConcatAddMulAndScaleShiftMatchTheirDefinitions) {
  Random random(15);
  const Array a = Noise(random, {3, 2, 3, 4, 5});
  const Array b = Noise(random, {3, 2, 3, 4, 5});
  const Array one = Noise(random, {3, 1, 1, 1, 1});
  RegionFixture fixture;
  const std::vector<float> scale = Noise(random, 3, 1);
  const int64_t at = fixture.Weights(scale);
  fixture.Header("hint shape=2,3,4,5,2,3,4,5,1,1,1,1");
  fixture.Line("input value=0 channels=3\ninput value=1 channels=3\ninput value=2 channels=3");
  fixture.Line("add in=0,1 out=3 activation=relu");
  fixture.Line("mul in=0,1 out=4");
  fixture.Line("add in=2,0 out=5");
  fixture.Line("mul in=0,2 out=6 activation=sigmoid");
  fixture.Line("concat in=0,1,4 out=7");
  fixture.Line("scale_shift in=1 out=8 scale=" + std::to_string(at) +
               " shift=" + std::to_string(at));
  for (const int value : {3, 4, 5, 6, 7, 8}) fixture.Line("output value=" + std::to_string(value));
  auto region = fixture.Create();
  ASSERT_TRUE(region.ok()) << region.status().message();
  const auto results = RunRegion(*region.value(), {{a, b, one}});
  ASSERT_EQ(results.size(), 1u);
  std::vector<Array> expected(6, Array(a.volume));
  expected[4] = Array({9, 2, 3, 4, 5});
  const size_t plane = static_cast<size_t>(a.volume.positions());
  for (size_t i = 0; i < a.data.size(); ++i) {
    const size_t c = i / plane;
    expected[0].data[i] = std::max(0.0, a.data[i] + b.data[i]);
    expected[1].data[i] = a.data[i] * b.data[i];
    expected[2].data[i] = a.data[i] + one.data[c];
    expected[3].data[i] = 1 / (1 + std::exp(-a.data[i] * one.data[c]));
    expected[4].data[i] = a.data[i];
    expected[4].data[3 * plane + i] = b.data[i];
    expected[4].data[6 * plane + i] = expected[1].data[i];
    expected[5].data[i] = b.data[i] * static_cast<double>(scale[c]) + static_cast<double>(scale[c]);
  }
  for (size_t i = 0; i < 6; ++i) {
    EXPECT_LT(Difference(expected[i], results[0][i]), 1e-6) << "output " << i;
  }
}

}  // namespace
}  // namespace sentinode::ops::test
