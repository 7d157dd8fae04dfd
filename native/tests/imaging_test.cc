// native/core/imaging against what SciPy and nibabel made of the same exams
// (tests/fixtures/imaging), and its behaviour at the edges.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>
#include <map>
#include <numeric>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "core/base/cancel.h"
#include "core/imaging/percentiles.h"
#include "core/imaging/preprocess.h"
#include "core/imaging/statistics.h"

namespace sentinode::imaging {
namespace {

struct Case {
  PreprocessOptions options;
  std::vector<char> samples;
  std::vector<float> expected;
  std::vector<double> phase_means;
  double outside_fraction = 0.0;
};

std::vector<char> ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file.good()) << path;
  return {std::istreambuf_iterator<char>(file), {}};
}

Case ReadCase(const std::string& name) {
  const std::string stem = std::string(SENTINODE_FIXTURES) + "/imaging/" + name;
  std::ifstream text(stem + ".txt");
  EXPECT_TRUE(text.good()) << stem;
  std::map<std::string, std::vector<double>> numbers;
  std::map<std::string, std::string> words;
  for (std::string line; std::getline(text, line);) {
    std::istringstream fields(line);
    std::string key;
    fields >> key >> words[key];
    std::istringstream values(line.substr(key.size()));
    for (double value = 0; values >> value;) numbers[key].push_back(value);
  }
  Case result;
  VolumeView& volume = result.options.volume;
  const auto& shape = numbers["shape"];
  volume.phases = static_cast<int64_t>(shape[0]);
  volume.extent = {static_cast<int64_t>(shape[1]), static_cast<int64_t>(shape[2]),
                   static_cast<int64_t>(shape[3])};
  const std::string& type = words["type"];
  volume.type = type == "int16"    ? SampleType::kInt16
                : type == "uint16" ? SampleType::kUint16
                                   : SampleType::kFloat32;
  volume.slopes = numbers["slopes"];
  volume.intercepts = numbers["intercepts"];
  std::copy_n(numbers["volume"].begin(), 16, volume.affine.begin());
  result.samples = ReadFile(stem + ".samples");
  const size_t slice_bytes = result.samples.size() / volume.slopes.size();
  for (size_t i = 0; i < volume.slopes.size(); ++i) {
    volume.slices.push_back(result.samples.data() + i * slice_bytes);
  }
  const auto& grid = numbers["grid"];
  result.options.grid.extent = {static_cast<int64_t>(grid[0]), static_cast<int64_t>(grid[1]),
                                static_cast<int64_t>(grid[2])};
  std::copy_n(numbers["grid_affine"].begin(), 16, result.options.grid.affine.begin());
  const auto& phases = numbers["phases"];
  for (size_t i = 0; i + 2 < phases.size(); i += 3) {
    result.options.phases.push_back(
        {static_cast<int64_t>(phases[i]), static_cast<int64_t>(phases[i + 1]), phases[i + 2]});
  }
  Intensity& intensity = result.options.intensity;
  intensity.scaling = words["scaling"] == "zscore"       ? Scaling::kZScore
                      : words["scaling"] == "percentile" ? Scaling::kPercentile
                                                         : Scaling::kNone;
  intensity.domain = words["domain"] == "volume" ? Domain::kVolume : Domain::kCrop;
  intensity.scope = words["scope"] == "all"     ? PhaseScope::kAll
                    : words["scope"] == "first" ? PhaseScope::kFirst
                                                : PhaseScope::kEach;
  intensity.lower_percentile = numbers["percentiles"][0];
  intensity.upper_percentile = numbers["percentiles"][1];
  intensity.clip = numbers["clip"][0] != 0;
  result.options.outside = {numbers["nearest"][0] != 0, numbers["outside"][0]};
  result.outside_fraction = numbers["outside_fraction"][0];
  result.phase_means = numbers["phase_means"];
  const std::vector<char> expected = ReadFile(stem + ".expected");
  result.expected.resize(expected.size() / sizeof(float));
  std::memcpy(result.expected.data(), expected.data(), expected.size());
  return result;
}

class AgainstSciPy : public testing::TestWithParam<std::string> {};

TEST_P(AgainstSciPy, AgreesWithinOneTenThousandth) {
  Case test = ReadCase(GetParam());
  for (const int threads : {1, 3}) {
    test.options.threads = threads;
    ASSERT_TRUE(PreprocessSize(test.options).ok());
    ASSERT_EQ(PreprocessSize(test.options).value(), static_cast<int64_t>(test.expected.size()));
    std::vector<float> out(test.expected.size(), 12345.0F);
    const Result<PreprocessReport> report = Preprocess(test.options, out.data());
    ASSERT_TRUE(report.ok()) << report.status().message();
    float largest = 0.0F;
    for (const float value : test.expected) largest = std::max(largest, std::abs(value));
    for (size_t i = 0; i < out.size(); ++i) {
      ASSERT_NEAR(out[i], test.expected[i],
                  1e-4 * std::max(std::abs(test.expected[i]), 0.01F * largest))
          << i;
    }
    EXPECT_NEAR(report.value().outside_fraction, test.outside_fraction, 1e-12);
    ASSERT_EQ(report.value().phase_means.size(), test.phase_means.size());
    for (size_t t = 0; t < test.phase_means.size(); ++t) {
      EXPECT_NEAR(report.value().phase_means[t], test.phase_means[t],
                  1e-4 * std::abs(test.phase_means[t]));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Imaging, AgainstSciPy,
                         testing::Values("oblique_crop_zscore", "per_slice_rescale_interpolated",
                                         "outside_filled_first_phase",
                                         "outside_nearest_volume_statistics",
                                         "aligned_volume_percentiles_clipped",
                                         "mixed_rescale_volume_percentiles", "each_phase_by_itself",
                                         "turned_axes_unscaled", "one_slice_thick"),
                         [](const auto& info) { return info.param; });

constexpr Affine kIdentity{1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1};

// An exam of one phase and 4 x 5 x 6 voxels over borrowed samples, and the grid of its own voxels.
PreprocessOptions OwnGrid(SampleType type, const void* samples, size_t sample_bytes) {
  PreprocessOptions options;
  options.volume.type = type;
  options.volume.phases = 1;
  options.volume.extent = {4, 5, 6};
  options.volume.affine = kIdentity;
  for (int z = 0; z < 4; ++z) {
    options.volume.slices.push_back(static_cast<const char*>(samples) + z * 30 * sample_bytes);
    options.volume.slopes.push_back(1.0);
    options.volume.intercepts.push_back(0.0);
  }
  options.grid = {{4, 5, 6}, kIdentity};
  options.phases = {{0, 0, 0.0}};
  return options;
}

std::vector<int16_t> Counting() {
  std::vector<int16_t> samples(120);
  std::iota(samples.begin(), samples.end(), static_cast<int16_t>(-32768));
  samples.back() = 32767;
  return samples;
}

TEST(Preprocess, KeepsTheVoxelsOfAGridThatIsTheExamsOwn) {
  const std::vector<int16_t> samples = Counting();
  std::vector<float> out(120);
  ASSERT_TRUE(Preprocess(OwnGrid(SampleType::kInt16, samples.data(), 2), out.data()).ok());
  for (size_t i = 0; i < out.size(); ++i) EXPECT_EQ(out[i], static_cast<float>(samples[i]));
}

TEST(Preprocess, TellsUnsignedSamplesFromSignedOnes) {
  const std::vector<uint16_t> samples(120, 65535);
  std::vector<float> out(120);
  ASSERT_TRUE(Preprocess(OwnGrid(SampleType::kUint16, samples.data(), 2), out.data()).ok());
  EXPECT_EQ(out[7], 65535.0F);
}

TEST(Preprocess, RefusesWhatIsNotFiniteInsteadOfSpreadingIt) {
  std::vector<float> samples(120, 1.0F);
  std::iota(samples.begin(), samples.end(), 0.0F);
  samples[50] = std::numeric_limits<float>::quiet_NaN();
  std::vector<float> out(120);
  PreprocessOptions options = OwnGrid(SampleType::kFloat32, samples.data(), 4);
  for (const Scaling scaling : {Scaling::kNone, Scaling::kZScore, Scaling::kPercentile}) {
    options.intensity.scaling = scaling;
    const auto report = Preprocess(options, out.data());
    ASSERT_FALSE(report.ok());
    EXPECT_EQ(report.status().code(), "EXAM_NOT_FINITE");
  }
}

TEST(Preprocess, RefusesToScaleAnExamThatHoldsOneValue) {
  const std::vector<int16_t> samples(120, 77);
  std::vector<float> out(120);
  PreprocessOptions options = OwnGrid(SampleType::kInt16, samples.data(), 2);
  for (const Scaling scaling : {Scaling::kZScore, Scaling::kPercentile}) {
    for (const Domain domain : {Domain::kCrop, Domain::kVolume}) {
      options.intensity.scaling = scaling;
      options.intensity.domain = domain;
      const auto report = Preprocess(options, out.data());
      ASSERT_FALSE(report.ok());
      EXPECT_EQ(report.status().code(), "EXAM_CONSTANT");
    }
  }
}

TEST(Preprocess, RefusesARegionThatDoesNotTouchTheExam) {
  const std::vector<int16_t> samples = Counting();
  std::vector<float> out(120);
  PreprocessOptions options = OwnGrid(SampleType::kInt16, samples.data(), 2);
  options.grid.affine[3] = 1000;
  const auto report = Preprocess(options, out.data());
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.status().code(), "REGION_OUTSIDE_EXAM");
}

TEST(Preprocess, RefusesOptionsThatWouldReadOutsideTheVolume) {
  const std::vector<int16_t> samples = Counting();
  const PreprocessOptions good = OwnGrid(SampleType::kInt16, samples.data(), 2);
  const auto code = [](PreprocessOptions options) {
    const auto size = PreprocessSize(options);
    return size.ok() ? "" : size.status().code();
  };
  EXPECT_EQ(code(good), "");
  PreprocessOptions bad = good;
  bad.phases[0].second = 1;
  EXPECT_EQ(code(bad), "INVALID_OPTION");
  bad = good;
  bad.phases[0].weight = std::nan("");
  EXPECT_EQ(code(bad), "INVALID_OPTION");
  bad = good;
  bad.volume.slices.pop_back();
  EXPECT_EQ(code(bad), "INVALID_OPTION");
  bad = good;
  bad.volume.affine.fill(0.0);
  EXPECT_EQ(code(bad), "INVALID_OPTION");
  bad = good;
  bad.grid.extent.width = int64_t{1} << 40;
  EXPECT_EQ(code(bad), "INVALID_OPTION");
  bad = good;
  bad.grid.affine[0] = std::numeric_limits<double>::infinity();
  EXPECT_EQ(code(bad), "INVALID_OPTION");
}

TEST(Preprocess, StaysInsideTheVolumeWhereverTheGridLies) {
  const std::vector<int16_t> samples = Counting();
  PreprocessOptions options = OwnGrid(SampleType::kInt16, samples.data(), 2);
  options.outside.nearest = true;
  std::vector<float> out(120);
  for (const double far : {1e3, -1e9, 1e300, -1e300}) {
    options.grid.affine = kIdentity;
    options.grid.affine[3] = options.grid.affine[4] = options.grid.affine[11] = far;
    ASSERT_TRUE(Preprocess(options, out.data()).ok());
    for (const float value : out) EXPECT_TRUE(value >= -32768.0F && value <= 32767.0F);
  }
}

TEST(Preprocess, StopsWhenItIsCancelled) {
  const std::vector<int16_t> samples = Counting();
  PreprocessOptions options = OwnGrid(SampleType::kInt16, samples.data(), 2);
  options.outside.nearest = true;
  options.grid.extent = {400, 400, 400};
  options.threads = 2;
  std::vector<float> out(PreprocessSize(options).value());
  std::atomic<bool> cancelled{false};
  std::thread caller([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    cancelled = true;
  });
  const CancelScope scope(&cancelled);
  const auto report = Preprocess(options, out.data());
  caller.join();
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.status().code(), "CANCELLED");
}

TEST(Moments, AreExactWhereSumsOfSquaresWouldLoseEverything) {
  std::vector<uint16_t> samples(120, 65534);
  for (size_t i = 0; i < 60; ++i) samples[i] = 65535;
  PreprocessOptions options = OwnGrid(SampleType::kUint16, samples.data(), 2);
  Moments moments;
  for (int z = 0; z < 4; ++z) moments.Merge(SliceMoments(options.volume, z));
  EXPECT_NEAR(moments.mean, 65534.5, 1e-9);
  EXPECT_NEAR(moments.StandardDeviation(), 0.5, 1e-9);

  std::vector<float> large(10000);
  for (size_t i = 0; i < large.size(); ++i) large[i] = 1e7F + static_cast<float>(i % 2);
  VolumeView volume = options.volume;
  volume.type = SampleType::kFloat32;
  volume.extent = {1, 100, 100};
  volume.slices[0] = large.data();
  EXPECT_NEAR(SliceMoments(volume, 0).StandardDeviation(), 0.5, 1e-9);
}

TEST(Percentiles, AreOrderStatisticsOfNegativeAndPositiveNumbers) {
  const std::vector<float> values{3, -1, 2, -8, 0, std::numeric_limits<float>::quiet_NaN(), 10};
  const auto found = Percentiles(
      [&](const auto& block) { block(values.data(), static_cast<int64_t>(values.size())); },
      {0, 20, 50, 90, 100});
  ASSERT_TRUE(found);
  EXPECT_EQ((*found)[0], -8);
  EXPECT_EQ((*found)[1], -1);
  EXPECT_EQ((*found)[2], 1);
  EXPECT_EQ((*found)[3], 6.5);
  EXPECT_EQ((*found)[4], 10);
  EXPECT_FALSE(Percentiles([](const auto&) {}, {50}));
}

}  // namespace
}  // namespace sentinode::imaging
