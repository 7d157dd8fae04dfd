// Every form of a convolution against a direct float64 loop.
#include <gtest/gtest.h>

#include <algorithm>

#include "core/ops/arena.h"
#include "core/ops/conv.h"
#include "core/ops/onednn.h"
#include "core/ops/parallel.h"
#include "core/ops/steps.h"
#include "ops_support.h"

namespace sentinode::ops::test {
namespace {

struct Case {
  Step step;
  Volume in;
  Volume out;
  std::vector<float> weights;
  std::vector<float> bias;
  bool residual = false;
};

Activation RandomActivation(Random& random) {
  Activation activation;
  static const std::vector<float> slopes = Noise(random, 256, 1);
  activation.kind =
      static_cast<ActivationKind>(Pick(random, 0, static_cast<int>(ActivationKind::kSoftsign)));
  activation.alpha = 0.1f;
  activation.beta = 0.5f;
  activation.slopes = activation.kind == ActivationKind::kPrelu ? slopes.data() : nullptr;
  if (activation.kind == ActivationKind::kClip) {
    activation.min = -0.5f;
    activation.max = 0.75f;
  }
  return activation;
}

// The size of the output, or a volume of 0 frames where the kernel does not fit.
Volume OutputOf(const Case& c) {
  const Window& w = c.step.window;
  const int64_t in[4] = {c.in.t, c.in.d, c.in.h, c.in.w};
  int64_t out[4];
  for (size_t i = 0; i < 4; ++i) {
    const int64_t reach = int64_t{w.dilations[i]} * (w.kernel[i] - 1) + 1;
    const int64_t free = in[i] + w.pads[i] + w.pads[i + 4] - reach;
    if (free < 0) return {};
    out[i] = free / w.strides[i] + 1;
  }
  return {c.step.channels, out[0], out[1], out[2], out[3]};
}

void Fill(Random& random, Case& c) {
  c.out = OutputOf(c);
  size_t taps = static_cast<size_t>(c.in.c / c.step.groups);
  for (const int k : c.step.window.kernel) taps *= static_cast<size_t>(k);
  c.weights = Noise(random, taps * static_cast<size_t>(c.step.channels),
                    1 / std::sqrt(static_cast<double>(taps)));
  if (Pick(random, 0, 1) == 1) c.bias = Noise(random, static_cast<size_t>(c.step.channels), 0.5);
  c.residual = Pick(random, 0, 2) == 0;
  c.step.residual = c.residual ? 7 : kNoValue;
  c.step.activation = RandomActivation(random);
}

Case RandomCase(Random& random) {
  for (;;) {
    Case c;
    c.step.kind = StepKind::kConv;
    c.step.groups = Pick(random, 0, 3) == 0 ? Pick(random, 2, 4) : 1;
    const bool depthwise = c.step.groups > 1 && Pick(random, 0, 1) == 0;
    const int per_group = depthwise ? 1 : Pick(random, 0, 2) == 0 ? 16 : Pick(random, 1, 9);
    c.in = {c.step.groups * per_group, Pick(random, 1, 8), Pick(random, 1, 9), Pick(random, 1, 9),
            Pick(random, 1, 37)};
    c.step.channels = c.step.groups * (depthwise                 ? 1
                                       : Pick(random, 0, 2) == 0 ? 16
                                                                 : Pick(random, 1, 35));
    const bool dense = Pick(random, 0, 1) == 0;
    for (size_t i = 0; i < 4; ++i) {
      c.step.window.kernel[i] = Pick(random, 1, i == 0 ? 5 : 4);
      c.step.window.strides[i] = dense && i == 0 ? 1 : Pick(random, 1, 2);
      c.step.window.dilations[i] = dense && i == 0 ? 1 : Pick(random, 1, 2);
      c.step.window.pads[i] = Pick(random, 0, 2);
      c.step.window.pads[i + 4] = Pick(random, 0, 3);
    }
    const Volume out = OutputOf(c);
    if (out.t == 0 || out.elements() > 60000) continue;
    Fill(random, c);
    return c;
  }
}

Case Dense(Random& random, int in, int out, Volume size, int kernel_t) {
  Case c;
  c.step.kind = StepKind::kConv;
  c.step.channels = out;
  size.c = in;
  c.in = size;
  c.step.window.kernel = {kernel_t, 3, 3, 3};
  c.step.window.pads = {kernel_t / 2, 1, 1, 1, kernel_t / 2, 1, 1, 1};
  Fill(random, c);
  return c;
}

std::vector<uint8_t> ToBlocked(const Array& array, Element element) {
  std::vector<uint8_t> data(array.data.size() * ElementSize(element) + 64);
  const std::vector<float> planar(array.data.begin(), array.data.end());
  Interleave(planar.data(), Tensor{data.data(), element, array.volume});
  return data;
}

Array FromBlocked(std::vector<uint8_t>& data, Element element, const Volume& volume) {
  std::vector<float> planar(static_cast<size_t>(volume.elements()));
  Deinterleave(Tensor{data.data(), element, volume}, planar.data());
  Array array(volume);
  std::copy(planar.begin(), planar.end(), array.data.begin());
  return array;
}

ConvProblem ProblemOf(const Case& c, Element element, const std::vector<float>& bias, int threads) {
  ConvProblem problem;
  problem.step = &c.step;
  problem.in = c.in;
  problem.out = c.out;
  problem.element = element;
  problem.weights = c.weights.data();
  problem.bias = bias.empty() ? nullptr : bias.data();
  problem.threads = threads;
  return problem;
}

Array RunForm(const Case& c, const ConvChoice& choice, Element element, const Array& in,
              const Array* residual, int threads = 2) {
  const ThreadScope scope(threads);
  const std::vector<float> bias = c.bias.empty() ? c.bias : Cyclic(c.bias.data(), c.step.channels);
  WeightCache cache;
  auto form = MakeConvForm(ProblemOf(c, element, bias, threads), choice, cache);
  EXPECT_TRUE(form.ok()) << form.status().message();
  if (!form.ok()) return Array(c.out);
  const std::vector<uint8_t> source = ToBlocked(in, element);
  const std::vector<uint8_t> added =
      residual != nullptr ? ToBlocked(*residual, element) : std::vector<uint8_t>();
  std::vector<uint8_t> result(static_cast<size_t>(c.out.elements()) * ElementSize(element) + 64,
                              0xff);
  Arena workspace;
  EXPECT_TRUE(workspace.Grow(form.value()->workspace_bytes()).ok());
  std::fill_n(workspace.data(), workspace.capacity(), uint8_t{0xff});  // NaN, not zeros
  ConvForm::Buffers buffers;
  buffers.in = source.data();
  buffers.out = result.data();
  buffers.residual = residual != nullptr ? added.data() : nullptr;
  buffers.workspace = workspace.data();
  const Status status = form.value()->Run(buffers);
  EXPECT_TRUE(status.ok()) << status.message();
  return FromBlocked(result, element, c.out);
}

// At a region's border: what is planar on the outside.
Array RunAtBorder(const Case& c, const ConvChoice& choice, Element element, const Array& in,
                  const Array* residual) {
  const ThreadScope scope(2);
  const std::vector<float> bias = c.bias.empty() ? c.bias : Cyclic(c.bias.data(), c.step.channels);
  WeightCache cache;
  ConvProblem problem = ProblemOf(c, element, bias, 2);
  problem.planar_in = problem.planar_out = true;
  auto form = MakeConvForm(problem, choice, cache);
  EXPECT_TRUE(form.ok() && form.value()->TakesPlanarOut());
  const std::vector<float> planar_in(in.data.begin(), in.data.end());
  const std::vector<uint8_t> source = ToBlocked(in, element);
  const std::vector<uint8_t> added =
      residual != nullptr ? ToBlocked(*residual, element) : std::vector<uint8_t>();
  std::vector<float> planar_out(static_cast<size_t>(c.out.elements()) + 64, -1);
  Arena workspace;
  EXPECT_TRUE(workspace.Grow(form.value()->workspace_bytes()).ok());
  std::fill_n(workspace.data(), workspace.capacity(), uint8_t{0xff});
  ConvForm::Buffers buffers;
  if (form.value()->TakesPlanarIn()) {
    buffers.planar_in = planar_in.data();
  } else {
    buffers.in = source.data();
  }
  buffers.planar_out = planar_out.data();
  buffers.residual = residual != nullptr ? added.data() : nullptr;
  buffers.workspace = workspace.data();
  EXPECT_TRUE(form.value()->Run(buffers).ok());
  EXPECT_EQ(planar_out[static_cast<size_t>(c.out.elements())], -1);  // nothing past the end
  Array border(c.out);
  std::copy_n(planar_out.begin(), border.data.size(), border.data.begin());
  return border;
}

std::string Describe(const Case& c, const ConvChoice& choice) {
  const auto size = [](const Volume& v) {
    return std::to_string(v.c) + "x" + std::to_string(v.t) + "x" + std::to_string(v.d) + "x" +
           std::to_string(v.h) + "x" + std::to_string(v.w);
  };
  return ToString(choice) + " " + size(c.in) + " -> " + size(c.out) + " groups " +
         std::to_string(c.step.groups) + WindowText(c.step.window, true) +
         (c.residual ? " residual" : "") + " activation " +
         std::to_string(static_cast<int>(c.step.activation.kind));
}

void CheckAllForms(Random& random, const Case& c, Element element, double tolerance,
                   int threads = 1) {
  const Array in = Noise(random, c.in);
  const Array residual = Noise(random, c.out);
  const Array* added = c.residual ? &residual : nullptr;
  const Array expected = ReferenceConv(c.step, in, c.out, c.weights.data(), c.bias, added);
  std::vector<ConvChoice> choices = ConvCandidates(ProblemOf(c, element, {}, threads), false);
  for (const ConvChoice& choice : choices) {
    const Array found = RunForm(c, choice, element, in, added, threads);
    EXPECT_LT(Difference(expected, found), tolerance) << Describe(c, choice);
    if (choice.kind != ConvKind::kTiled) continue;
    const Array border = RunAtBorder(c, choice, element, in, added);
    EXPECT_LT(Difference(expected, border), tolerance) << "at the border " << Describe(c, choice);
  }
}

TEST(OpsConv, EveryFormMatchesDirectLoopsWithRandomAttributes) {
  Random random(1);
  for (int i = 0; i < 100; ++i) {
    CheckAllForms(random, RandomCase(random), Element::kFloat32, 1e-4, i % 10 == 0 ? 2 : 1);
    if (HasFailure()) break;
  }
}

TEST(OpsConv, EveryFormMatchesDirectLoopsOnDenseLayers) {
  Random random(2);
  for (const int kernel : {2, 3, 5}) {
    for (const int64_t frames : {1, 2, 3, 5, 7, 11}) {
      CheckAllForms(random, Dense(random, 16, 32, {0, frames, 5, 6, 7}, kernel), Element::kFloat32,
                    1e-4);
      CheckAllForms(random, Dense(random, 3, 16, {0, frames, 4, 5, 30}, kernel), Element::kFloat32,
                    1e-4);
    }
  }
}

TEST(OpsConv, WideRowsAndManyChannelsAreDividedWithTheSameResult) {
  Random random(3);
  // Of several columns, segments and groups of rows; the last of each is smaller than the others.
  CheckAllForms(random, Dense(random, 19, 20, {0, 3, 3, 9, 131}, 3), Element::kFloat32, 1e-4, 3);
  CheckAllForms(random, Dense(random, 65, 3, {0, 3, 3, 29, 5}, 3), Element::kFloat32, 1e-4, 2);
  CheckAllForms(random, Dense(random, 2, 40, {0, 13, 3, 4, 53}, 3), Element::kFloat32, 1e-4);
}

// Channels that fill half of a vector or less take several rows together, of which the last may not
// be there.
TEST(OpsConv, RowsThatShareAVectorMatchDirectLoops) {
  Random random(9);
  for (const int out : {1, 4, 5, 8, 24}) {
    for (const int64_t rows : {1, 2, 3, 6, 7}) {
      Case c = Dense(random, 8, out, {0, 3, 3, rows, 9}, 3);
      c.step.groups = Pick(random, 1, 2);
      c.step.channels *= c.step.groups;
      c.step.window.kernel[2] = Pick(random, 2, 4);
      c.step.window.pads[2] = Pick(random, 1, 2);
      c.step.window.pads[6] = Pick(random, 1, 2);
      Fill(random, c);
      CheckAllForms(random, c, Element::kFloat32, 1e-4, Pick(random, 1, 2));
      if (HasBfloat16()) CheckAllForms(random, c, Element::kBfloat16, 0.08);
    }
  }
}

// So large that it is written past the cache, in rows that end within a cache line.
TEST(OpsConv, ALargeBorderIsWrittenWithTheSameResult) {
  Random random(8);
  CheckAllForms(random, Dense(random, 3, 20, {0, 3, 7, 61, 41}, 3), Element::kFloat32, 1e-4, 2);
  CheckAllForms(random, Dense(random, 8, 20, {0, 3, 3, 20, 301}, 3), Element::kFloat32, 1e-4, 2);
}

TEST(OpsConv, AThreadsMemoryDoesNotGrowWithTheLayer) {
  Random random(7);
  const auto workspace = [&random](Volume size, const ConvChoice& choice) {
    const Case c = Dense(random, 16, 16, size, 3);
    WeightCache cache;
    const auto form = MakeConvForm(ProblemOf(c, Element::kFloat32, {}, 1), choice, cache);
    EXPECT_TRUE(form.ok());
    return form.value()->workspace_bytes();
  };
  const Case any = Dense(random, 16, 16, {0, 5, 8, 8, 8}, 3);
  for (const ConvChoice& choice : ConvCandidates(ProblemOf(any, Element::kFloat32, {}, 1), false)) {
    if (choice.kind != ConvKind::kTiled) continue;
    const size_t most = size_t{2} << 20;
    EXPECT_LT(workspace({0, 5, 8, 8, 192}, choice), most) << ToString(choice);
    EXPECT_LT(workspace({0, 5, 8, 192, 8}, choice), most) << ToString(choice);
    EXPECT_LT(workspace({0, 5, 192, 8, 8}, choice), most) << ToString(choice);
    EXPECT_LT(workspace({0, 48, 8, 8, 8}, choice), most) << ToString(choice);
  }
}

TEST(OpsConv, Bfloat16StaysWithinItsRounding) {
  if (!HasBfloat16()) GTEST_SKIP() << "this processor has no bfloat16";
  Random random(4);
  for (int i = 0; i < 30; ++i) {
    CheckAllForms(random, RandomCase(random), Element::kBfloat16, 0.08);
    if (HasFailure()) break;
  }
}

TEST(OpsConv, ResultsDoNotDependOnTheNumberOfThreadsBeyondRounding) {
  Random random(5);
  for (const int in : {1, 16}) {
    Case c = Dense(random, in, 16, {0, 5, 8, 9, 31}, 3);
    c.residual = false;
    c.step.residual = kNoValue;
    const Array input = Noise(random, c.in);
    for (const ConvChoice& choice : ConvCandidates(ProblemOf(c, Element::kFloat32, {}, 2), false)) {
      const Array one = RunForm(c, choice, Element::kFloat32, input, nullptr, 1);
      const Array three = RunForm(c, choice, Element::kFloat32, input, nullptr, 3);
      EXPECT_LT(Difference(one, three), 2e-6) << Describe(c, choice);
    }
  }
}

TEST(OpsConv, TheFastFormIsOffWithExactTaps) {
  Random random(6);
  const Case c = Dense(random, 16, 16, {0, 5, 4, 4, 4}, 3);
  const ConvProblem problem = ProblemOf(c, Element::kFloat32, {}, 2);
  for (const ConvChoice& choice : ConvCandidates(problem, true)) {
    EXPECT_EQ(choice.frames, 1);
    EXPECT_EQ(choice.planes, 1);
  }
  EXPECT_GT(ConvCandidates(problem, false)[0].frames, 1);
  EXPECT_GT(ConvCandidates(problem, false)[0].planes, 1);
}

// Forms that mix frames and planes, and the one that does not.
std::vector<ConvChoice> TiledForms(Element products) {
  std::vector<ConvChoice> forms;
  for (const auto& [frames, planes] :
       {std::pair{5, 4}, std::pair{4, 1}, std::pair{1, 4}, std::pair{2, 2}, std::pair{1, 1}}) {
    ConvChoice choice;
    choice.kind = ConvKind::kTiled;
    choice.frames = frames;
    choice.planes = planes;
    choice.products = products;
    forms.push_back(choice);
  }
  return forms;
}

// Largest difference within each output frame as a share of the frame's own largest value.
std::vector<double> FrameErrors(const Array& expected, const Array& found) {
  const Volume& v = expected.volume;
  std::vector<double> largest(static_cast<size_t>(v.t), 1e-30);
  std::vector<double> errors(static_cast<size_t>(v.t), 0);
  const int64_t frame = v.frame_positions();
  for (int64_t i = 0; i < v.elements(); ++i) {
    const size_t t = static_cast<size_t>(i / frame % v.t);
    const size_t at = static_cast<size_t>(i);
    largest[t] = std::max(largest[t], std::abs(expected.data[at]));
    errors[t] = std::max(errors[t], std::abs(expected.data[at] - found.data[at]));
  }
  for (size_t t = 0; t < errors.size(); ++t) errors[t] /= largest[t];
  return errors;
}

TEST(OpsConv, ABrightFrameCostsFramesThatDoNotSeeItNothing) {
  Random random(31);
  for (const double bright : {1e3, 1e9}) {
    Case c = Dense(random, 12, 20, {0, 7, 8, 9, 10}, 3);
    c.step.activation = {};
    c.step.residual = kNoValue;
    c.bias.clear();
    Array in = Noise(random, c.in);
    const int64_t frame = c.in.frame_positions();
    for (int64_t i = 0; i < c.in.elements(); ++i) {
      double& x = in.data[static_cast<size_t>(i)];
      if (i / frame % c.in.t == 3) x = static_cast<double>(static_cast<float>(x * bright));
    }
    const Array expected = ReferenceConv(c.step, in, c.out, c.weights.data(), c.bias, nullptr);
    for (const ConvChoice& choice : TiledForms(Element::kFloat32)) {
      const Array found = RunForm(c, choice, Element::kFloat32, in, nullptr);
      for (const double error : FrameErrors(expected, found)) {
        EXPECT_LT(error, 1e-5) << ToString(choice) << " bright " << bright;
      }
    }
  }
}

TEST(OpsConv, WhatIsNotFiniteOrHugeReachesThoseWhoSeeItAndNobodyElse) {
  Random random(32);
  const float infinity = std::numeric_limits<float>::infinity();
  for (const float odd : {std::numeric_limits<float>::quiet_NaN(), infinity, 1e33f}) {
    for (const int channels : {20, 4}) {  // the channels of several rows share a vector, too
      Case c = Dense(random, 16, channels, {0, 7, 6, 7, 9}, 3);
      c.step.activation = {};
      c.step.residual = kNoValue;
      Array in = Noise(random, c.in);
      in.at(3, 2, 3, 4, 5) = static_cast<double>(odd);
      const Array expected = ReferenceConv(c.step, in, c.out, c.weights.data(), c.bias, nullptr);
      for (const Element products : {Element::kFloat32, Element::kBfloat16}) {
        const bool bfloat = products == Element::kBfloat16;
        if (bfloat && GetKernels().product(products, 8, false, 1).run == nullptr) continue;
        for (const ConvChoice& choice : TiledForms(products)) {
          const Array found = RunForm(c, choice, products, in, nullptr);
          // Whoever sees it has something huge or no number; the others what they would have.
          int64_t wrong = 0;
          for (size_t i = 0; i < expected.data.size(); ++i) {
            const bool sees = !(std::abs(expected.data[i]) < 1e20);
            const double difference = std::abs(expected.data[i] - found.data[i]);
            const bool right = difference < (bfloat ? 0.1 : 1e-4);
            if (sees ? std::abs(found.data[i]) < 1e20 : !right) ++wrong;
          }
          EXPECT_EQ(wrong, 0) << ToString(choice) << ' ' << odd << ' ' << channels;
        }
      }
    }
  }
}

TEST(OpsConv, BlocksOutOfRangeAreRightAtTheBordersOfARegionAndUnderAPool) {
  Random random(33);
  Case c = Dense(random, 3, 16, {0, 5, 8, 12, 12}, 3);
  Array in = Noise(random, c.in);
  for (int64_t i = 0; i < c.in.elements(); ++i) {
    double& x = in.data[static_cast<size_t>(i)];
    if (i / c.in.frame_positions() % 5 == 0) x = static_cast<double>(static_cast<float>(x * 1e5));
  }
  c.step.activation = {};
  c.step.residual = kNoValue;
  c.bias.clear();
  Step pool;
  pool.kind = StepKind::kMaxPool;
  pool.window.kernel = pool.window.strides = {1, 2, 2, 2};
  const Array expected = ReferenceConv(c.step, in, c.out, c.weights.data(), c.bias, nullptr);
  const Array pooled = ReferencePool(pool, expected, {16, 5, 4, 6, 6});
  for (const bool with_pool : {false, true}) {
    RegionFixture fixture;
    fixture.Line(Input(in));
    fixture.Line("conv in=0 out=1 channels=16 groups=1 weight=" +
                 std::to_string(fixture.Weights(c.weights)) + WindowText(c.step.window, true));
    if (with_pool) {
      fixture.Line("max_pool in=1 out=2 ceil_mode=0" + WindowText(pool.window, true));
    }
    fixture.Line(with_pool ? "output value=2" : "output value=1");
    auto region = fixture.Create();
    ASSERT_TRUE(region.ok()) << region.status().message();
    // Two rows beside each other, and one with all threads.
    for (const size_t rows : {2u, 1u}) {
      const auto results = RunRegion(*region.value(), std::vector<std::vector<Array>>(rows, {in}));
      ASSERT_EQ(results.size(), rows);
      for (const auto& row : results) {
        for (const double error : FrameErrors(with_pool ? pooled : expected, row[0])) {
          EXPECT_LT(error, 1e-5) << with_pool;
        }
      }
    }
  }
}

}  // namespace
}  // namespace sentinode::ops::test
