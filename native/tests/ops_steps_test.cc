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
      {"clip min=-0.5 max=inf", {ActivationKind::kClip, 0, 0, -0.5f}},
      {"clip min=0 max=6", {ActivationKind::kClip, 0, 0, 0, 6}},
      {"sigmoid", {ActivationKind::kSigmoid}},
      {"tanh", {ActivationKind::kTanh}},
      {"silu alpha=1", {ActivationKind::kSilu, 1}},
      {"silu alpha=1.702", {ActivationKind::kSilu, 1.702f}},
      {"gelu", {ActivationKind::kGelu}},
      {"gelu_tanh", {ActivationKind::kGeluTanh}},
      {"mish", {ActivationKind::kMish}},
      {"elu alpha=1.5 beta=1", {ActivationKind::kElu, 1.5f, 1}},
      {"elu alpha=1.67326 beta=1.0507", {ActivationKind::kElu, 1.67326f, 1.0507f}},
      {"softplus", {ActivationKind::kSoftplus}},
      {"hard_swish", {ActivationKind::kHardSwish}},
      {"hard_sigmoid alpha=0.2 beta=0.5", {ActivationKind::kHardSigmoid, 0.2f, 0.5f}},
      {"softsign", {ActivationKind::kSoftsign}},
      {"erf", {ActivationKind::kErf}},
      {"exp", {ActivationKind::kExp}},
      {"abs", {ActivationKind::kAbs}},
      {"quantize alpha=0.0625 beta=0 min=-128 max=127",
       {ActivationKind::kQuantize, 0.0625f, 0, -128, 127}},
      {"quantize alpha=0.03125 beta=100 min=0 max=255",
       {ActivationKind::kQuantize, 0.03125f, 100, 0, 255}},
  };
  for (const auto& [text, activation] : activations) {
    Array in = Noise(random, {3, 2, 3, 4, 37});
    for (double& x : in.data) x = static_cast<double>(static_cast<float>(x * 5));
    const double far = activation.kind == ActivationKind::kExp ? 5 : 100;
    in.data[0] = far;
    in.data[1] = -far;
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

TEST(OpsSteps, ActivationsKeepSmallValuesAndWhatIsNoNumber) {
  // Of a curve through zero, the value of a small argument is right as a share of itself.
  for (const char* text :
       {"tanh", "silu alpha=1", "gelu", "gelu_tanh", "mish", "elu alpha=1 beta=1", "hard_swish",
        "softsign", "erf", "softplus", "exp", "sqrt"}) {
    Array in({1, 1, 1, 1, 4});
    in.data = {1e-5, std::nan(""), 0, 2};
    RegionFixture fixture;
    fixture.Line(Input(in));
    fixture.Line(std::string("activation in=0 out=1 activation=") + text);
    fixture.Line("output value=1");
    const Array found = RunOne(fixture, in);
    EXPECT_TRUE(std::isnan(found.data[1])) << text;
    EXPECT_FALSE(std::isnan(found.data[2])) << text;
    Activation activation;
    for (const auto& [word, kind] :
         {std::pair{"gelu", ActivationKind::kGelu}, std::pair{"mish", ActivationKind::kMish},
          std::pair{"erf", ActivationKind::kErf}, std::pair{"sqrt", ActivationKind::kSqrt}}) {
      if (text != std::string(word)) continue;
      activation.kind = kind;
      const double expected = ReferenceActivation(activation, static_cast<double>(1e-5f));
      EXPECT_NEAR(found.data[0] / expected, 1, 1e-5) << text;
    }
  }
}

TEST(OpsSteps, PreluHasASlopeAChannel) {
  Random random(16);
  const Array in = Noise(random, {21, 2, 3, 4, 5});
  const std::vector<float> slopes = Noise(random, 21, 1);
  RegionFixture fixture;
  const int64_t ones = fixture.Weights(std::vector<float>(21, 1));
  const int64_t zeros = fixture.Weights(std::vector<float>(21, 0));
  fixture.Line(Input(in));
  fixture.Line("scale_shift in=0 out=1 scale=" + std::to_string(ones) +
               " shift=" + std::to_string(zeros) +
               " activation=prelu slope=" + std::to_string(fixture.Weights(slopes)));
  fixture.Line("output value=1");
  Array expected = in;
  const size_t plane = static_cast<size_t>(in.volume.positions());
  for (size_t i = 0; i < expected.data.size(); ++i) {
    if (in.data[i] < 0) expected.data[i] *= static_cast<double>(slopes[i / plane]);
  }
  EXPECT_LT(Difference(expected, RunOne(fixture, in)), 1e-6);
}

TEST(OpsSteps, PairsAreSpreadOverAxesOfOnePosition) {
  Random random(17);
  const Volume full{5, 3, 4, 6, 7};
  const std::pair<const char*, double (*)(double, double)> pairs[] = {
      {"add", [](double a, double b) { return a + b; }},
      {"sub", [](double a, double b) { return a - b; }},
      {"mul", [](double a, double b) { return a * b; }},
      {"div", [](double a, double b) { return a / b; }},
      {"max", [](double a, double b) { return std::max(a, b); }},
      {"min", [](double a, double b) { return std::min(a, b); }},
  };
  for (int round = 0; round < 60; ++round) {
    const auto volume = [&] {
      const auto size = [&](int64_t whole) { return Pick(random, 0, 1) == 0 ? whole : 1; };
      return Volume{size(full.c), size(full.t), size(full.d), size(full.h), size(full.w)};
    };
    const Array a = Noise(random, volume());
    Array b = Noise(random, volume());
    for (double& x : b.data) x = static_cast<double>(static_cast<float>(x < 0 ? x - 1 : x + 1));
    const auto& [word, apply] = pairs[round % 6];
    RegionFixture fixture;
    fixture.Line(Input(a) + "\ninput value=1 channels=" + std::to_string(b.volume.c));
    fixture.Header("hint shape=1,1,1,1,1,1,1,1");
    fixture.Line(std::string(word) + " in=0,1 out=2 activation=leaky_relu alpha=0.5");
    fixture.Line("output value=2");
    auto region = fixture.Create();
    ASSERT_TRUE(region.ok()) << region.status().message();
    const auto results = RunRegion(*region.value(), {{a, b}});
    ASSERT_EQ(results.size(), 1u);
    const Volume& v = results[0][0].volume;
    Array expected(v);
    const auto at = [](const Array& array, int64_t c, int64_t t, int64_t d, int64_t h, int64_t w) {
      const Volume& s = array.volume;
      return array.at(c % s.c, t % s.t, d % s.d, h % s.h, w % s.w);
    };
    for (int64_t c = 0; c < v.c; ++c) {
      for (int64_t t = 0; t < v.t; ++t) {
        for (int64_t d = 0; d < v.d; ++d) {
          for (int64_t h = 0; h < v.h; ++h) {
            for (int64_t w = 0; w < v.w; ++w) {
              const double x = apply(at(a, c, t, d, h, w), at(b, c, t, d, h, w));
              expected.at(c, t, d, h, w) = x < 0 ? x * 0.5 : x;
            }
          }
        }
      }
    }
    EXPECT_LT(Difference(expected, results[0][0]), 1e-6) << fixture.PlanText();
  }
}

TEST(OpsSteps, ReductionsOverSpaceAndOverChannelsMatchTheirDefinitions) {
  Random random(18);
  const Array in = Noise(random, {19, 3, 5, 6, 7});
  RegionFixture fixture;
  fixture.Line(Input(in));
  fixture.Line("global_average_pool in=0 out=1 axes=0,1,1,1");
  fixture.Line("global_max_pool in=0 out=2 axes=0,0,1,1");
  fixture.Line("channel_mean in=0 out=3");
  fixture.Line("channel_max in=0 out=4");
  for (const int value : {1, 2, 3, 4}) fixture.Line("output value=" + std::to_string(value));
  auto region = fixture.Create();
  ASSERT_TRUE(region.ok()) << region.status().message();
  const auto results = RunRegion(*region.value(), {{in}});
  ASSERT_EQ(results.size(), 1u);
  Array mean({19, 3, 1, 1, 1});
  Array most({19, 3, 5, 1, 1}, -1e9);
  Array channel_mean({1, 3, 5, 6, 7});
  Array channel_most({1, 3, 5, 6, 7}, -1e9);
  for (int64_t c = 0; c < 19; ++c) {
    for (int64_t t = 0; t < 3; ++t) {
      for (int64_t d = 0; d < 5; ++d) {
        for (int64_t h = 0; h < 6; ++h) {
          for (int64_t w = 0; w < 7; ++w) {
            const double x = in.at(c, t, d, h, w);
            mean.at(c, t, 0, 0, 0) += x / 210;
            most.at(c, t, d, 0, 0) = std::max(most.at(c, t, d, 0, 0), x);
            channel_mean.at(0, t, d, h, w) += x / 19;
            channel_most.at(0, t, d, h, w) = std::max(channel_most.at(0, t, d, h, w), x);
          }
        }
      }
    }
  }
  EXPECT_LT(Difference(mean, results[0][0]), 1e-6);
  EXPECT_LT(Difference(most, results[0][1]), 1e-6);
  EXPECT_LT(Difference(channel_mean, results[0][2]), 1e-6);
  EXPECT_LT(Difference(channel_most, results[0][3]), 1e-6);
}

TEST(OpsSteps, ChannelNormsLookAtOnePosition) {
  Random random(19);
  for (const int64_t channels : {3, 16, 37}) {
    for (const bool centred : {true, false}) {
      const Array in = Noise(random, {channels, 2, 3, 4, 5});
      const std::vector<float> scale = Noise(random, static_cast<size_t>(channels), 1);
      const std::vector<float> shift = Noise(random, static_cast<size_t>(channels), 1);
      RegionFixture fixture;
      fixture.Line(Input(in));
      fixture.Line(std::string("channel_norm in=0 out=1 epsilon=1e-05 centred=") +
                   (centred ? "1" : "0") + " scale=" + std::to_string(fixture.Weights(scale)) +
                   " shift=" + std::to_string(fixture.Weights(shift)));
      fixture.Line("output value=1");
      const size_t plane = static_cast<size_t>(in.volume.positions());
      Array expected(in.volume);
      for (size_t p = 0; p < plane; ++p) {
        double mean = 0;
        double squares = 0;
        const double count = static_cast<double>(channels);
        for (size_t i = p; i < in.data.size() && centred; i += plane) mean += in.data[i] / count;
        for (size_t i = p; i < in.data.size(); i += plane) {
          squares += (in.data[i] - mean) * (in.data[i] - mean) / count;
        }
        for (size_t i = p; i < in.data.size(); i += plane) {
          expected.data[i] = (in.data[i] - mean) / std::sqrt(squares + 1e-5) *
                                 static_cast<double>(scale[i / plane]) +
                             static_cast<double>(shift[i / plane]);
        }
      }
      EXPECT_LT(Difference(expected, RunOne(fixture, in)), 1e-5) << channels;
    }
  }
}

TEST(OpsSteps, ShuffledChannelsBecomePositions) {
  Random random(20);
  const int64_t groups = 2;
  const int64_t factors[4] = {2, 1, 3, 2};
  const Array in = Noise(random, {groups * 12 * 3, 2, 3, 4, 5});
  RegionFixture fixture;
  fixture.Line(Input(in));
  fixture.Line("shuffle in=0 out=1 groups=2 factors=2,1,3,2 cuts=1,0,2,0,0,1,0,1");
  fixture.Line("output value=1");
  const Array found = RunOne(fixture, in);
  const Volume expected_volume{6, 3, 2, 10, 9};
  ASSERT_TRUE(found.volume == expected_volume);
  Array expected(expected_volume);
  const int64_t cuts[4] = {1, 0, 2, 0};
  for (int64_t c = 0; c < 6; ++c) {
    for (int64_t t = 0; t < 3; ++t) {
      for (int64_t d = 0; d < 2; ++d) {
        for (int64_t h = 0; h < 10; ++h) {
          for (int64_t w = 0; w < 9; ++w) {
            const int64_t at[4] = {t + cuts[0], d + cuts[1], h + cuts[2], w + cuts[3]};
            int64_t phase = 0;
            for (int axis = 0; axis < 4; ++axis) {
              phase = phase * factors[axis] + at[axis] % factors[axis];
            }
            expected.at(c, t, d, h, w) =
                in.at((c / 3 * 12 + phase) * 3 + c % 3, at[0] / 2, at[1], at[2] / 3, at[3] / 2);
          }
        }
      }
    }
  }
  EXPECT_EQ(Difference(expected, found), 0);
}

// ONNX's definition along one axis: the two inputs under an output and the share of the second.
struct Source {
  int64_t low, high;
  double share;
};
Source SourceAt(const std::string& coordinates, const std::string& rounding, bool linear,
                double out, double out_size, double in_size, double scale) {
  double x = (out + 0.5) / scale - 0.5;
  if (coordinates == "asymmetric") x = out / scale;
  if (coordinates == "align_corners") x = out_size == 1 ? 0 : out * (in_size - 1) / (out_size - 1);
  if (coordinates == "pytorch_half_pixel" && out_size <= 1) x = 0;
  const double last = in_size - 1;
  if (!linear) {
    double nearest = std::ceil(x - 0.5);
    if (rounding == "round_prefer_ceil") nearest = std::floor(x + 0.5);
    if (rounding == "floor") nearest = std::floor(x);
    if (rounding == "ceil") nearest = std::ceil(x);
    const int64_t at = static_cast<int64_t>(std::min(std::max(nearest, 0.0), last));
    return {at, at, 0};
  }
  x = std::min(std::max(x, 0.0), last);
  const double low = std::floor(x);
  return {static_cast<int64_t>(low), static_cast<int64_t>(std::min(low + 1, last)), x - low};
}

TEST(OpsSteps, ResizeMatchesItsDefinitionInEveryMode) {
  Random random(21);
  int round = 0;
  for (const std::string coordinates :
       {"half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"}) {
    for (const std::string rounding :
         {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"}) {
      for (const bool linear : {false, true}) {
        const double scales[4] = {2, round % 2 == 0 ? 1.0 : 1.5, 0.5, round % 3 == 0 ? 2.0 : 3.0};
        ++round;
        const Array in = Noise(random, {Pick(random, 1, 20), 3, 4, 6, 5});
        RegionFixture fixture;
        fixture.Line(Input(in));
        std::string text = "resize in=0 out=1 mode=" + std::string(linear ? "linear" : "nearest") +
                           " coordinates=" + coordinates + " rounding=" + rounding;
        const char* keys[4] = {" scale_t=", " scale_d=", " scale_h=", " scale_w="};
        for (int axis = 0; axis < 4; ++axis) text += keys[axis] + std::to_string(scales[axis]);
        fixture.Line(text);
        fixture.Line("output value=1");
        const Array found = RunOne(fixture, in);
        const int64_t sizes[4] = {3, 4, 6, 5};
        const int64_t out_sizes[4] = {found.volume.t, found.volume.d, found.volume.h,
                                      found.volume.w};
        for (int axis = 0; axis < 4; ++axis) {
          ASSERT_EQ(out_sizes[axis],
                    static_cast<int64_t>(static_cast<double>(sizes[axis]) * scales[axis]));
        }
        Array expected(found.volume);
        const Volume& v = found.volume;
        for (int64_t index = 0; index < v.positions(); ++index) {
          const int64_t at[4] = {index / (v.d * v.h * v.w), index / (v.h * v.w) % v.d,
                                 index / v.w % v.h, index % v.w};
          Source sources[4];
          for (int axis = 0; axis < 4; ++axis) {
            sources[axis] = SourceAt(coordinates, rounding, linear, static_cast<double>(at[axis]),
                                     static_cast<double>(out_sizes[axis]),
                                     static_cast<double>(sizes[axis]), scales[axis]);
          }
          for (int64_t c = 0; c < v.c; ++c) {
            double sum = 0;
            for (unsigned corner = 0; corner < 16; ++corner) {
              double factor = 1;
              int64_t from[4];
              for (int axis = 0; axis < 4; ++axis) {
                const bool high = (corner >> axis & 1u) != 0;
                factor *= high ? sources[axis].share : 1 - sources[axis].share;
                from[axis] = high ? sources[axis].high : sources[axis].low;
              }
              sum += factor * in.at(c, from[0], from[1], from[2], from[3]);
            }
            expected.at(c, at[0], at[1], at[2], at[3]) = sum;
          }
        }
        EXPECT_LT(Difference(expected, found), 1e-5) << fixture.PlanText();
      }
    }
  }
}

}  // namespace
}  // namespace sentinode::ops::test
