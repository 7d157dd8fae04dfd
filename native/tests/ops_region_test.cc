// Whole regions: every step against float64 loops, memory, measurements, cancelling, threads.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

#include "core/base/cancel.h"
#include "core/ops/arena.h"
#include "core/ops/onednn.h"
#include "core/ops/parallel.h"
#include "core/ops/tuner.h"
#include "core/ops/tuning.h"
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

std::string Input(const Array& in) {
  return "input value=0 channels=" + std::to_string(in.volume.c);
}

TEST(OpsRegion, PoolsMatchDirectLoopsWithRandomAttributes) {
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

TEST(OpsRegion, CeilModeDropsAWindowThatBeginsInTheEndPadding) {
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

TEST(OpsRegion, NormsSeeAllFrames) {
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

TEST(OpsRegion, NormsKeepTheirPrecisionFarFromZero) {
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

TEST(OpsRegion, ActivationsMatchTheirDefinitions) {
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

TEST(OpsRegion, ConcatAddMulAndScaleShiftMatchTheirDefinitions) {
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

// conv -> conv + residual -> pool -> two global pools, several outputs.
struct Network {
  RegionFixture fixture;
  std::vector<float> first;
  std::vector<float> second;
  Step step;

  explicit Network(Random& random) {
    first = Noise(random, 16 * 81, 0.1);
    second = Noise(random, 16 * 16 * 81, 0.03);
    step.kind = StepKind::kConv;
    step.channels = 16;
    step.window.kernel = {3, 3, 3, 3};
    step.window.pads = {1, 1, 1, 1, 1, 1, 1, 1};
    step.activation.kind = ActivationKind::kRelu;
    const std::string window = WindowText(step.window, true);
    const std::string one = std::to_string(fixture.Weights(first));
    const std::string two = std::to_string(fixture.Weights(second));
    fixture.Header("hint shape=5,6,7,8");
    fixture.Line("input value=0 channels=1");
    fixture.Line("conv in=0 out=1 channels=16 groups=1 activation=relu weight=" + one + window);
    fixture.Line("conv in=1 out=2 channels=16 groups=1 activation=relu residual=1 weight=" + two +
                 window);
    fixture.Line(
        "max_pool in=2 out=3 kernel=1,2,2,2 strides=1,2,2,2 dilations=1,1,1,1 "
        "pads=0,0,0,0,0,0,0,0 ceil_mode=0");
    fixture.Line("global_average_pool in=3 out=4\nglobal_max_pool in=3 out=5");
    fixture.Line("output value=4\noutput value=5\noutput value=2");
  }

  std::vector<Array> Expected(const Array& in) const {
    Volume volume = in.volume;
    volume.c = 16;
    const Array a = ReferenceConv(step, in, volume, first.data(), {}, nullptr);
    const Array b = ReferenceConv(step, a, volume, second.data(), {}, &a);
    std::vector<Array> out(2, Array({16, 1, 1, 1, 1}));
    out.push_back(b);
    const Volume half{16, volume.t, volume.d / 2, volume.h / 2, volume.w / 2};
    Step pool;
    pool.kind = StepKind::kMaxPool;
    pool.window.kernel = pool.window.strides = {1, 2, 2, 2};
    const Array pooled = ReferencePool(pool, b, half);
    const size_t plane = static_cast<size_t>(half.positions());
    for (size_t c = 0; c < 16; ++c) {
      double sum = 0;
      double best = pooled.data[c * plane];
      for (size_t i = 0; i < plane; ++i) {
        sum += pooled.data[c * plane + i];
        best = std::max(best, pooled.data[c * plane + i]);
      }
      out[0].data[c] = sum / static_cast<double>(plane);
      out[1].data[c] = best;
    }
    return out;
  }
};

TEST(OpsRegion, APoolThatIsAppliedBlockByBlockMatchesDirectLoops) {
  Random random(25);
  for (const int kernel : {2, 3}) {
    Step conv;
    conv.kind = StepKind::kConv;
    conv.channels = 16;
    conv.window.kernel = {3, 3, 3, 3};
    conv.window.pads = {1, 1, 1, 1, 1, 1, 1, 1};
    Step pool;
    pool.kind = StepKind::kMaxPool;
    pool.window.kernel = {2, kernel, 2, 3};
    pool.window.strides = {1, kernel, 2, 2};
    pool.window.pads = {1, 0, 0, 1, 0, 0, 0, 1};
    const std::vector<float> weights = Noise(random, 16 * 81, 0.1);
    RegionFixture fixture;
    fixture.exact_taps = kernel == 3;
    const std::string at = std::to_string(fixture.Weights(weights));
    const Array in = Noise(random, {1, 5, 16, 38, 39});
    fixture.Header("hint shape=5,16,38,39");
    fixture.Line(Input(in));
    fixture.Line("conv in=0 out=1 channels=16 groups=1 weight=" + at +
                 WindowText(conv.window, true));
    fixture.Line("max_pool in=1 out=2 ceil_mode=0" + WindowText(pool.window, true));
    fixture.Line("output value=2");
    auto region = fixture.Create();
    ASSERT_TRUE(region.ok()) << region.status().message();
    const auto program = region.value()->Prepare({in.volume});
    ASSERT_TRUE(program.ok());
    const Volume middle{16, 5, 16, 38, 39};
    if (program.value()->choices()[0].kind == ConvKind::kTiled) {
      // The whole of what lies between is nowhere in memory.
      EXPECT_LT(program.value()->arena_bytes(), static_cast<size_t>(middle.elements()) * 4);
    }
    const auto results = RunRegion(*region.value(), {{in}});
    const Array between = ReferenceConv(conv, in, middle, weights.data(), {}, nullptr);
    EXPECT_LT(Difference(ReferencePool(pool, between, results[0][0].volume), results[0][0]), 1e-4);
  }
}

TEST(OpsRegion, ANetworkMatchesForRowsOfABatchAndForShapesItWasNotMeasuredFor) {
  Random random(16);
  for (const bool exact : {false, true}) {
    Network network(random);
    network.fixture.exact_taps = exact;
    auto region = network.fixture.Create();
    ASSERT_TRUE(region.ok()) << region.status().message();
    for (const Volume& volume : {Volume{1, 5, 6, 7, 8}, Volume{1, 3, 5, 4, 9},
                                 Volume{1, 9, 2, 3, 4}, Volume{1, 1, 2, 2, 2}}) {
      const std::vector<std::vector<Array>> rows = {
          {Noise(random, volume)}, {Noise(random, volume)}, {Noise(random, volume)}};
      const auto results = RunRegion(*region.value(), rows);
      ASSERT_EQ(results.size(), 3u);
      for (size_t row = 0; row < 3; ++row) {
        const std::vector<Array> expected = network.Expected(rows[row][0]);
        for (size_t i = 0; i < 3; ++i) {
          EXPECT_LT(Difference(expected[i], results[row][i]), 1e-4);
        }
      }
    }
  }
}

TEST(OpsRegion, MeasurementsAreKeptBesideTheModelAndADamagedFileMeansToMeasureAgain) {
  Random random(17);
  Network network(random);
  ASSERT_TRUE(network.fixture.Create().ok());
  std::string kept;
  for (const auto& entry : std::filesystem::directory_iterator(network.fixture.folder())) {
    if (entry.path().extension() == ".tuning") kept = entry.path().string();
  }
  ASSERT_FALSE(kept.empty());
  const auto time = std::filesystem::last_write_time(kept);
  auto again = network.fixture.Create();
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(std::filesystem::last_write_time(kept), time);
  ASSERT_TRUE(again.value()->Prepare({{1, 5, 6, 7, 8}}).ok());
  EXPECT_NE(again.value()->ReportJson().find("\"why\":\"measured\""), std::string::npos);

  std::ofstream(kept) << "sentinode-tuning 1\nlayer 0 1 0 0 0 0 99 99 99\n";
  auto damaged = network.fixture.Create();
  ASSERT_TRUE(damaged.ok());
  const Array in = Noise(random, {1, 5, 6, 7, 8});
  const auto results = RunRegion(*damaged.value(), {{in}});
  EXPECT_LT(Difference(network.Expected(in)[2], results[0][2]), 1e-4);
}

TEST(OpsRegion, AFormWhoseErrorIsTooLargeIsNeverChosen) {
  if (!HasBfloat16()) GTEST_SKIP() << "this processor has no bfloat16";
  Random random(18);
  RegionFixture fixture;
  fixture.precision = "bf16";
  const std::string at = std::to_string(fixture.Weights(Noise(random, 16 * 16 * 81, 0.03)));
  // Under a bias so far below zero little is left of the sums, and their errors weigh the more.
  const std::string low = std::to_string(fixture.Weights(std::vector<float>(16, -1.5f)));
  fixture.Header("hint shape=5,12,12,12");
  fixture.Line("input value=0 channels=16");
  fixture.Line(
      "conv in=0 out=1 channels=16 groups=1 kernel=3,3,3,3 strides=1,1,1,1 dilations=1,1,1,1 "
      "pads=1,1,1,1,1,1,1,1 activation=relu weight=" +
      at + " bias=" + low);
  fixture.Line("output value=1");
  ASSERT_TRUE(fixture.Create().ok());
  const TuningTable table =
      LoadTuning(fixture.folder() + "/" + TuningFileName(fixture.PlanText(), fixture.threads));
  ASSERT_EQ(table.entries().size(), 1u);
  const TuningEntry& entry = table.entries()[0];
  bool tempted = false;
  for (const Measurement& m : entry.measured) {
    const bool chosen = m.choice == entry.choice;
    EXPECT_TRUE(!chosen || m.error <= kBfloat16Tolerance) << ToString(m.choice);
    if (m.error > kBfloat16Tolerance) tempted = true;
  }
  EXPECT_TRUE(tempted);
}

TEST(OpsRegion, ARaisedFlagStopsARunAndTheRegionStaysUsable) {
  Random random(19);
  Network network(random);
  auto region = network.fixture.Create();
  ASSERT_TRUE(region.ok());
  const Volume volume{1, 5, 24, 32, 32};
  const auto program = region.value()->Prepare({volume});
  ASSERT_TRUE(program.ok());
  const std::vector<float> in(static_cast<size_t>(volume.elements()), 0.5f);
  std::vector<std::vector<float>> out;
  std::vector<float*> pointers;
  for (size_t i = 0; i < 3; ++i) {
    out.emplace_back(static_cast<size_t>(program.value()->output_volume(i).elements()));
  }
  for (auto& output : out) pointers.push_back(output.data());
  std::atomic<bool> flag{true};
  {
    const CancelScope scope(&flag);
    EXPECT_EQ(region.value()->Run(*program.value(), 1, {in.data()}, pointers).code(), "CANCELLED");
    flag = false;
    EXPECT_TRUE(region.value()->Run(*program.value(), 1, {in.data()}, pointers).ok());
  }
  // Raised on the way, from another thread.
  Status status;
  std::thread runner([&] {
    const CancelScope scope(&flag);
    do {
      status = region.value()->Run(*program.value(), 1, {in.data()}, pointers);
    } while (status.ok());
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
  flag = true;
  runner.join();
  EXPECT_EQ(status.code(), "CANCELLED");
}

TEST(OpsRegion, ConcurrentRunsOfOneRegionAreEqual) {
  Random random(20);
  Network network(random);
  network.fixture.threads = 1;
  auto region = network.fixture.Create();
  ASSERT_TRUE(region.ok());
  const Array in = Noise(random, {1, 5, 6, 7, 8});
  const auto expected = RunRegion(*region.value(), {{in}});
  std::vector<std::thread> threads;
  std::atomic<int> equal{0};
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int run = 0; run < 10; ++run) {
        const auto found = RunRegion(*region.value(), {{in}});
        if (found[0][2].data == expected[0][2].data) ++equal;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(equal.load(), 40);
}

TEST(OpsRegion, RowsThatRunBesideEachOtherAreAsRowsThatRunAlone) {
  Random random(22);
  Network network(random);
  auto region = network.fixture.Create();
  ASSERT_TRUE(region.ok());
  for (const size_t count : {2u, 5u, 8u}) {
    std::vector<std::vector<Array>> rows;
    for (size_t i = 0; i < count; ++i) rows.push_back({Noise(random, {1, 5, 6, 7, 8})});
    const auto together = RunRegion(*region.value(), rows);
    for (size_t i = 0; i < count; ++i) {
      const auto alone = RunRegion(*region.value(), {rows[i]});
      for (size_t output = 0; output < alone[0].size(); ++output) {
        EXPECT_LE(Difference(alone[0][output], together[i][output]), 1e-5) << count << " " << i;
      }
    }
  }
}

TEST(OpsRegion, ShapesThatDoNotFitAreRefused) {
  Random random(21);
  RegionFixture fixture;
  fixture.Line("input value=0 channels=1");
  fixture.Line(
      "max_pool in=0 out=1 kernel=3,1,1,1 strides=1,1,1,1 dilations=1,1,1,1 pads=0,0,0,0,0,0,0,0 "
      "ceil_mode=0");
  fixture.Line("output value=1");
  auto region = fixture.Create();
  ASSERT_TRUE(region.ok());
  EXPECT_EQ(region.value()->Prepare({{1, 2, 4, 4, 4}}).status().code(), "INVALID_REQUEST");
  EXPECT_EQ(region.value()->Prepare({{1, 0, 4, 4, 4}}).status().code(), "INVALID_REQUEST");
  EXPECT_EQ(region.value()->Prepare({{1, int64_t{1} << 40, 1 << 20, 4, 4}}).status().code(),
            "INVALID_REQUEST");
  EXPECT_TRUE(region.value()->Prepare({{1, 3, 4, 4, 4}}).ok());
}

TEST(OpsRegion, MissingOrShortWeightsAreRefused) {
  Random random(22);
  Network network(random);
  EXPECT_EQ(
      Region::Create(network.fixture.PlanText(), {network.fixture.folder(), 1}).status().code(),
      "MODEL_INVALID");
  EXPECT_EQ(Region::Create(network.fixture.PlanText(), {"", 1}).status().code(), "MODEL_INVALID");
  std::ofstream(network.fixture.folder() + "/" + std::string(64, 'a') + ".weights") << "short";
  EXPECT_EQ(
      Region::Create(network.fixture.PlanText(), {network.fixture.folder(), 1}).status().code(),
      "MODEL_INVALID");
}

TEST(OpsRegion, BuffersThatAreAliveTogetherNeverOverlap) {
  Random random(23);
  for (int i = 0; i < 200; ++i) {
    std::vector<Lifetime> buffers;
    for (int b = 0; b < 20; ++b) {
      const int first = Pick(random, 0, 10);
      buffers.push_back(
          {static_cast<size_t>(Pick(random, 1, 100000)), first, first + Pick(random, 0, 5)});
    }
    const ArenaPlan plan = PlanArena(buffers);
    for (size_t a = 0; a < buffers.size(); ++a) {
      EXPECT_LE(plan.offsets[a] + buffers[a].bytes, plan.bytes);
      for (size_t b = 0; b < a; ++b) {
        if (buffers[a].last < buffers[b].first || buffers[b].last < buffers[a].first) continue;
        EXPECT_TRUE(plan.offsets[a] + buffers[a].bytes <= plan.offsets[b] ||
                    plan.offsets[b] + buffers[b].bytes <= plan.offsets[a]);
      }
    }
  }
}

TEST(OpsRegion, EveryInstructionSetGivesTheSameNumbers) {
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
