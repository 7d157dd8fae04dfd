// Plans that are wrong in every way that a plan can be: each is refused by name, none is run.
#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <string>

#include "core/ops/plan.h"
#include "core/ops/toom_cook.h"

namespace sentinode::ops::test {
namespace {

const std::string kGood =
    "region 1\n"
    "weights " +
    std::string(64, 'a') +
    ".weights\n"
    "precision fp32\n"
    "exact_taps 0\n"
    "open_frames 1\n"
    "hint shape=5,8,8,8\n"
    "input value=0 channels=2\n"
    "conv in=0 out=1 channels=4 kernel=3,3,3,3 strides=1,1,1,1 dilations=1,1,1,1 "
    "pads=1,1,1,1,1,1,1,1 groups=1 weight=0 bias=648 activation=relu\n"
    "\n"
    "max_pool in=1 out=2 kernel=1,2,2,2 strides=1,2,2,2 dilations=1,1,1,1 "
    "pads=0,0,0,0,0,0,0,0 ceil_mode=0\n"
    "global_average_pool in=2 out=9\n"
    "output value=9\n";

std::string Replace(const std::string& from, const std::string& to) {
  std::string text = kGood;
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(OpsPlan, AWholePlanIsRead) {
  const Result<Plan> plan = ParsePlan(kGood);
  ASSERT_TRUE(plan.ok()) << plan.status().message();
  EXPECT_EQ(plan.value().steps.size(), 3u);
  EXPECT_EQ(plan.value().hints[0], (std::vector<int64_t>{5, 8, 8, 8}));
  EXPECT_TRUE(plan.value().open_frames);
  EXPECT_EQ(plan.value().weights_floats, 2 * 4 * 81 + 4);
  EXPECT_EQ(plan.value().steps[0].activation.kind, ActivationKind::kRelu);
  EXPECT_EQ(plan.value().steps[1].window.strides, (std::array<int, 4>{1, 2, 2, 2}));
}

TEST(OpsPlan, EveryMistakeIsRefusedWithItsLine) {
  const std::string mistakes[][2] = {
      {"region 1", "region 2"},
      {"precision fp32", "precision fp8"},
      {"exact_taps 0\n", ""},
      {"open_frames 1", "open_frames 2"},
      {".weights", ".bin"},
      {std::string(64, 'a'), "../../etc/passwd"},
      {"weights " + std::string(64, 'a') + ".weights\n", ""},
      {"shape=5,8,8,8", "shape=5,8,8"},
      {"shape=5,8,8,8", "shape=5,8,8,0"},
      {"channels=2", "channels=0"},
      {"channels=2", "channels=99999"},
      {"channels=2", "channels=2x"},
      {"channels=2", "channels="},
      {"in=0 out=1", "in=5 out=1"},
      {"in=0 out=1", "in=0 out=0"},
      {"in=0 out=1", "in=0 out=70000"},
      {"in=0 out=1", "in=0,0 out=1"},
      {"kernel=3,3,3,3", "kernel=3,3,3"},
      {"kernel=3,3,3,3", "kernel=3,3,3,0"},
      {"kernel=3,3,3,3", "kernel=32,3,3,3"},
      {"strides=1,1,1,1", "strides=1,1,1,0"},
      {"groups=1", "groups=3"},
      {"weight=0", "weight=-1"},
      {"weight=0", "weight=99999999999999999999"},
      {"weight=0 ", ""},
      {"activation=relu", "activation=relu6"},
      {"activation=relu", "activation=leaky_relu"},
      {"activation=relu", "activation=leaky_relu alpha=nan"},
      {"activation=relu", "activation=clip min=2 max=1"},
      {"activation=relu", "residual=7"},
      {"activation=relu", "residual=0"},
      {"activation=relu", "activation=relu colour=blue"},
      {"groups=1", "groups=1 groups=1"},
      {"pads=0,0,0,0,0,0,0,0", "pads=0,2,0,0,0,0,0,0"},
      {"ceil_mode=0", "ceil_mode=2"},
      {"max_pool", "lp_pool"},
      {"output value=9\n", ""},
      {"output value=9", "output value=3"},
      {"output value=9", "output value=0"},
      {"output value=9", "output value=9\noutput value=9"},
      {"output value=9", "output value=9\nactivation in=9 out=10"},
  };
  for (const auto& mistake : mistakes) {
    const Result<Plan> plan = ParsePlan(Replace(mistake[0], mistake[1]));
    ASSERT_FALSE(plan.ok()) << mistake[0] << " -> " << mistake[1];
    EXPECT_EQ(plan.status().code(), "MODEL_INVALID");
    EXPECT_NE(plan.status().message().find("line"), std::string::npos);
  }
}

TEST(OpsPlan, DamagedTextNeverDoesMoreThanFail) {
  std::mt19937 random(3);
  for (int i = 0; i < 3000; ++i) {
    std::string text = kGood;
    for (int edits = 0; edits < 3 && !text.empty(); ++edits) {
      const size_t at = random() % text.size();
      switch (random() % 4) {
        case 0:
          text[at] = static_cast<char>(random() % 256);
          break;
        case 1:
          text.erase(at, random() % 20);
          break;
        case 2:
          text.insert(at, text.substr(random() % text.size(), random() % 20));
          break;
        default:
          text.resize(at + 1);
      }
    }
    const Result<Plan> plan = ParsePlan(text);
    EXPECT_EQ(plan.status().code(), plan.ok() ? "" : "MODEL_INVALID");
  }
}

TEST(OpsPlan, EveryTileComputesTheCorrelationThatItStandsFor) {
  std::mt19937 random(4);
  std::normal_distribution<double> normal;
  for (int taps = 2; taps <= kMaxTileTaps; ++taps) {
    for (int outputs = 1; outputs <= kMaxTileOutputs; ++outputs) {
      const ToomCook form = MakeToomCook(outputs, taps);
      const size_t n = static_cast<size_t>(form.products);
      ASSERT_EQ(form.products, outputs + taps - 1);
      std::vector<double> x(n);
      std::vector<double> w(static_cast<size_t>(taps));
      for (double& value : x) value = normal(random);
      for (double& value : w) value = normal(random);
      std::vector<double> products(n);
      for (size_t j = 0; j < n; ++j) {
        double a = 0;
        double b = 0;
        for (size_t k = 0; k < w.size(); ++k) a += form.weight[j * w.size() + k] * w[k];
        for (size_t k = 0; k < n; ++k) b += form.input[j * n + k] * x[k];
        products[j] = a * b;
      }
      for (size_t t = 0; t < static_cast<size_t>(outputs); ++t) {
        double expected = 0;
        double found = 0;
        for (size_t k = 0; k < w.size(); ++k) expected += w[k] * x[t + k];
        for (size_t j = 0; j < n; ++j) found += form.output[t * n + j] * products[j];
        EXPECT_NEAR(expected, found, 1e-9) << "F(" << outputs << "," << taps << ")";
      }
    }
  }
}

TEST(OpsPlan, FramesDivideIntoTilesThatCoverThemOnce) {
  for (int frames = 1; frames < 40; ++frames) {
    for (int largest = 1; largest <= kMaxTileOutputs; ++largest) {
      int sum = 0;
      for (const int size : SplitFrames(frames, largest)) {
        EXPECT_GE(size, 1);
        EXPECT_LE(size, largest);
        sum += size;
      }
      EXPECT_EQ(sum, frames);
    }
  }
}

}  // namespace
}  // namespace sentinode::ops::test
