// Prepared weights: kept in files, shared, checked, and made again where need be.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "core/base/build_id.h"
#include "core/base/hash.h"
#include "core/ops/prepared_weights.h"
#include "core/ops/tuning.h"
#include "ops_support.h"

namespace sentinode::ops::test {
namespace {

namespace fs = std::filesystem;

const Volume kVolume{16, 5, 6, 7, 8};

// One convolution of 16 to 16 channels.
struct Layer {
  RegionFixture fixture;
  Step step;
  std::vector<float> weights;

  explicit Layer(Random& random, const std::string& header = "hint shape=5,6,7,8") {
    fixture.Header(header);
    weights = Noise(random, 16 * 16 * 81, 0.03);
    step.kind = StepKind::kConv;
    step.channels = 16;
    step.window.kernel = {3, 3, 3, 3};
    step.window.pads = {1, 1, 1, 1, 1, 1, 1, 1};
    const std::string at = std::to_string(fixture.Weights(weights));
    fixture.Line("input value=0 channels=16");
    fixture.Line("conv in=0 out=1 channels=16 groups=1 weight=" + at +
                 WindowText(step.window, true));
    fixture.Line("output value=1");
  }

  // Runs a region of its own and compares with the direct loop.
  void ExpectRight(Random& random) {
    auto region = fixture.Create();
    ASSERT_TRUE(region.ok()) << region.status().message();
    ExpectRight(random, *region.value());
  }

  void ExpectRight(Random& random, Region& region) {
    const Array in = Noise(random, kVolume);
    const auto results = RunRegion(region, {{in}});
    ASSERT_EQ(results.size(), 1u);
    const Array expected = ReferenceConv(step, in, kVolume, weights.data(), {}, nullptr);
    EXPECT_LT(Difference(expected, results[0][0]), 1e-4);
  }

  std::set<fs::path> Files(const std::string& extension) const {
    std::set<fs::path> files;
    for (const auto& entry : fs::directory_iterator(fixture.folder())) {
      if (entry.path().extension() == extension) files.insert(entry.path());
    }
    return files;
  }
};

size_t FileBytes(const std::set<fs::path>& files) {
  size_t sum = 0;
  for (const auto& file : files) sum += fs::file_size(file);
  return sum;
}

TEST(OpsWeights, AreWrittenOnceAndReadByEveryRegionAfter) {
  Random random(31);
  Layer layer(random);
  layer.ExpectRight(random);
  const std::set<fs::path> files = layer.Files(".prepared");
  ASSERT_FALSE(files.empty());
  std::vector<fs::file_time_type> times;
  for (const auto& file : files) times.push_back(fs::last_write_time(file));

  layer.ExpectRight(random);
  EXPECT_EQ(layer.Files(".prepared"), files);
  size_t i = 0;
  for (const auto& file : files) EXPECT_EQ(fs::last_write_time(file), times[i++]);
}

TEST(OpsWeights, OfFormsThatLostAreNotKept) {
  Random random(32);
  Layer layer(random);
  auto region = layer.fixture.Create();
  ASSERT_TRUE(region.ok());
  layer.ExpectRight(random, *region.value());
  // What is planned for is what stands in the files, but for their trailers.
  const auto program = region.value()->Prepare({kVolume});
  const size_t weights = region.value()->planned_bytes() - program.value()->arena_bytes();
  EXPECT_LE(FileBytes(layer.Files(".prepared")), weights + 32 * layer.Files(".prepared").size());
}

TEST(OpsWeights, AreMadeAgainWhereAFileIsDamaged) {
  Random random(33);
  Layer layer(random);
  layer.ExpectRight(random);
  for (const int damage : {0, 1, 2, 3}) {
    for (const fs::path& file : layer.Files(".prepared")) {
      if (damage == 0) fs::resize_file(file, fs::file_size(file) / 2);
      if (damage == 1) fs::resize_file(file, 0);
      if (damage >= 2) {
        std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
        // The trailer, the weights.
        stream.seekp(damage == 2 ? static_cast<std::streamoff>(fs::file_size(file)) - 20 : 1000);
        stream << "damage";
      }
    }
    layer.ExpectRight(random);
  }
}

// A mapping of a file changes with it, and reading where it was cut ends the process (SIGBUS).
TEST(OpsWeights, AreNotThoseOfAFileThatChangesWhileTheyAreInUse) {
  Random random(38);
  Layer layer(random);
  layer.ExpectRight(random);
  auto region = layer.fixture.Create();
  ASSERT_TRUE(region.ok());
  layer.ExpectRight(random, *region.value());
  for (const bool cut : {false, true}) {
    for (const std::string extension : {".prepared", ".weights"}) {
      ASSERT_FALSE(layer.Files(extension).empty());
      for (const fs::path& file : layer.Files(extension)) {
        const size_t bytes = fs::file_size(file);
        if (cut) {
          fs::resize_file(file, 0);
        } else {
          std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
          stream << std::string(bytes, 'x');
        }
      }
    }
    layer.ExpectRight(random, *region.value());
    // Another size would need the raw weights again, and they are others now.
    const auto other = region.value()->Prepare({{16, 4, 5, 7, 8 + (cut ? 1 : 0)}});
    EXPECT_EQ(other.status().code(), "MODEL_INVALID");
  }
}

TEST(OpsWeights, FollowTheChoiceOfForm) {
  Random random(34);
  Layer layer(random);
  layer.ExpectRight(random);
  const std::set<fs::path> before = layer.Files(".prepared");
  const std::string path =
      layer.fixture.folder() + "/" + TuningFileName(layer.fixture.PlanText(), 2);
  for (const int frames : {1, 5, 3}) {
    TuningTable table;
    TuningEntry entry;
    entry.in = kVolume;
    entry.choice.kind = frames == 1 ? ConvKind::kDirect : ConvKind::kTiled;
    entry.choice.frames = frames;
    table.Add(entry);
    SaveTuning(path, table);
    auto region = layer.fixture.Create();
    ASSERT_TRUE(region.ok());
    layer.ExpectRight(random, *region.value());
    EXPECT_NE(region.value()->ReportJson().find("\"" + ToString(entry.choice) + "\""),
              std::string::npos);
  }
  std::set<fs::path> after = layer.Files(".prepared");
  after.insert(before.begin(), before.end());
  EXPECT_EQ(after, layer.Files(".prepared"));  // nothing is removed
  EXPECT_GE(after.size(), 3u);                 // F(5), F(3) and direct
}

TEST(OpsWeights, ForOtherNumbersOfFramesArePreparedWhenSizesAreOpen) {
  Random random(37);
  Layer layer(random, "open_frames 1\nhint shape=4,6,7,8");
  ASSERT_TRUE(layer.fixture.Create().ok());
  const std::set<fs::path> ahead = layer.Files(".prepared");
  auto region = layer.fixture.Create();
  ASSERT_TRUE(region.ok());
  for (int64_t frames = 2; frames <= 6; ++frames) {
    ASSERT_TRUE(region.value()->Prepare({{16, frames, 6, 7, 8}}).ok());
  }
  EXPECT_EQ(layer.Files(".prepared"), ahead);
}

TEST(OpsWeights, AreSharedByRegionsOfOneProcess) {
  const RegionFixture fixture;
  WeightCache one(fixture.folder(), "weights");
  WeightCache two(fixture.folder(), "weights");
  int filled = 0;
  const WeightParts parts{2, 50, [&filled](size_t part, uint8_t* to) {
                            to[49] = static_cast<uint8_t>(part + 7);
                            ++filled;
                          }};
  const auto a = one.Get("form", parts);
  const auto b = two.Get("form", parts);
  EXPECT_EQ(a.get(), b.get());
  EXPECT_EQ(filled, 2);
  EXPECT_EQ(a->data()[49], 7);
  EXPECT_EQ(a->data()[99], 8);
  EXPECT_EQ(one.bytes(), 100u);
}

TEST(OpsWeights, StayInMemoryWhereTheFolderCannotBeWrittenTo) {
  WeightCache cache("/proc", "nowhere");
  const auto buffer = cache.Get("form", {1, 100, [](size_t, uint8_t* to) { to[0] = 7; }});
  EXPECT_EQ(buffer->data()[0], 7);
}

TEST(OpsWeights, RegionsThatAreMadeAtTheSameTimeAreAllRight) {
  Random random(36);
  Layer layer(random);
  layer.ExpectRight(random);  // measures
  for (const fs::path& file : layer.Files(".prepared")) fs::remove(file);
  const Array in = Noise(random, kVolume);
  const Array expected = ReferenceConv(layer.step, in, kVolume, layer.weights.data(), {}, nullptr);
  std::vector<std::thread> threads;
  std::vector<double> differences(4, 1);
  for (size_t i = 0; i < differences.size(); ++i) {
    threads.emplace_back([&, i] {
      auto region = Region::Create(layer.fixture.PlanText(), {layer.fixture.folder(), 2});
      if (region.ok())
        differences[i] = Difference(expected, RunRegion(*region.value(), {{in}})[0][0]);
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const double difference : differences) EXPECT_LT(difference, 1e-4);
}

TEST(Hash, ChangesWithEveryByteAndWithTheLength) {
  std::set<uint64_t> seen;
  std::vector<uint8_t> data(100, 0);
  for (size_t length = 0; length <= data.size(); ++length) {
    EXPECT_TRUE(seen.insert(Hash(data.data(), length)).second) << length;
  }
  for (size_t i = 0; i < data.size(); ++i) {
    data[i] = 1;
    EXPECT_TRUE(seen.insert(Hash(data.data(), data.size())).second) << i;
    data[i] = 0;
  }
  EXPECT_TRUE(seen.insert(Hash(data.data(), data.size(), 1)).second);
}

TEST(BuildId, IsThere) { EXPECT_GE(BuildId().size(), 16u); }

}  // namespace
}  // namespace sentinode::ops::test
