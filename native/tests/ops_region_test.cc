// Whole regions: a network against float64 loops, measurements, cancelling, threads.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "core/base/cancel.h"
#include "core/ops/onednn.h"
#include "core/ops/precision.h"
#include "core/ops/tuner.h"
#include "core/ops/tuning.h"
#include "ops_network.h"
#include "ops_support.h"

namespace sentinode::ops::test {
namespace {

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

TEST(OpsRegion, ThePrecisionThatIsQuickerIsTakenAndKept) {
  if (!HasBfloat16()) GTEST_SKIP() << "this processor has no bfloat16";
  Random random(19);
  RegionFixture fixture;
  fixture.precision = "bf16";
  fixture.keep_precision = false;
  // One channel is multiplied in float32 either way, so nothing is clear before the whole is
  // measured.
  const std::string at = std::to_string(fixture.Weights(Noise(random, 81, 0.03)));
  fixture.Header("hint shape=5,32,32,32");
  fixture.Line("input value=0 channels=1");
  fixture.Line(
      "conv in=0 out=1 channels=1 groups=1 kernel=3,3,3,3 strides=1,1,1,1 dilations=1,1,1,1 "
      "pads=1,1,1,1,1,1,1,1 weight=" +
      at);
  fixture.Line("output value=1");
  for (int start = 0; start < 2; ++start) {
    auto region = fixture.Create();
    ASSERT_TRUE(region.ok());
    const TuningTable table =
        LoadTuning(fixture.folder() + "/" + TuningFileName(fixture.PlanText(), fixture.threads));
    ASSERT_EQ(table.entries().size(), 2u);
    const TuningEntry& whole = table.entries()[1];
    ASSERT_EQ(whole.step, kWholePlan);
    ASSERT_EQ(whole.measured.size(), 2u);
    const Measurement& half = whole.measured[0];
    const Measurement& single = whole.measured[1];
    const bool quicker = single.milliseconds < half.milliseconds;
    EXPECT_EQ(whole.choice.products, quicker ? Element::kFloat32 : Element::kBfloat16);
    const std::string precision = quicker ? "\"precision\":\"fp32\"" : "\"precision\":\"bf16\"";
    EXPECT_EQ(region.value()->ReportJson().find(precision), 1u);
    const size_t both = Volume{1, 5, 32, 32, 32}.elements() * 2 * sizeof(float);
    // Only the first start measures, and float32 too.
    EXPECT_EQ(region.value()->planned_bytes() >= both, start == 0);
  }
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

}  // namespace
}  // namespace sentinode::ops::test
