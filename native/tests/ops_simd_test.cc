// The kernels of every instruction set that this machine has, one by one.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <random>
#include <vector>

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

// A block of rows in planes of `plane` floats that begin `offset` floats into a cache line.
void ExpectStreamed(const Kernels& kernels, size_t channels, size_t width, size_t rows,
                    size_t plane, size_t offset) {
  const size_t lanes = static_cast<size_t>(kernels.lanes);
  Random random(25);
  const std::vector<float> in = Noise(random, rows * width * lanes, 1);
  std::vector<float> memory(offset + channels * plane + 2 * lanes, -7.0f);
  std::vector<float> pending(channels * lanes, NAN);
  float* const line =
      memory.data() + lanes - reinterpret_cast<uintptr_t>(memory.data()) / sizeof(float) % lanes;
  float* const out = line + offset;
  for (size_t row = 0; row < rows; ++row) {
    kernels.stream_row({in.data() + row * width * lanes, width, channels, out + row * width, plane,
                        row * width, row + 1 == rows, pending.data()});
  }
  FinishStreams();
  std::vector<float> expected(memory.size(), -7.0f);
  const auto from = static_cast<size_t>(out - memory.data());
  for (size_t c = 0; c < channels; ++c) {
    for (size_t i = 0; i < rows * width; ++i) {
      expected[from + c * plane + i] = in[i * lanes + c];
    }
  }
  ASSERT_EQ(memory, expected) << kernels.name << " channels " << channels << " width " << width
                              << " rows " << rows << " plane " << plane << " offset " << offset;
}

// Lines are begun by one row and ended by another; what lies around a block is somebody else's.
TEST(OpsSimd, StreamedRowsAreTheSameNumbersWhereverLinesBegin) {
  if (GetKernels().stream_row == nullptr) GTEST_SKIP() << "no vector of this processor is a line";
  for (int index = 0; KernelsAt(index) != nullptr; ++index) {
    const Kernels& kernels = *KernelsAt(index);
    if (kernels.stream_row == nullptr) continue;
    for (const size_t width : {1, 5, 15, 16, 17, 25, 45}) {
      for (const size_t rows : {1, 2, 3, 7}) {
        for (const size_t offset : {0, 1, 9, 15}) {
          for (const size_t gap : {0, 3}) {
            ExpectStreamed(kernels, 1, width, rows, width * rows + gap, offset);
            ExpectStreamed(kernels, 13, width, rows, width * rows + gap, offset);
            ExpectStreamed(kernels, 16, width, rows, width * rows + gap, offset);
          }
        }
      }
    }
  }
}

// What a product kernel is asked for, and the numbers behind it: a word is a float, or two channels
// of bfloat16 that are whole numbers here, so that nothing is rounded.
struct ProductCase {
  const Kernels& kernels;
  Element element;
  int step;
  bool slide;
  int width;
};

constexpr int kRows = 2;
constexpr int kBlocks = 2;
constexpr int kTaps = 3;

class ProductTest {
 public:
  explicit ProductTest(const ProductCase& c)
      : case_(c),
        kernel_(c.kernels.product(c.element, c.step, c.slide, c.width)),
        positions_(kernel_.width + kTaps),
        lanes_(c.kernels.lanes),
        words_(kBlocks * c.step),
        source_(static_cast<size_t>(kRows * words_ * positions_)),
        weights_(static_cast<size_t>(kRows * words_ * kTaps * lanes_)) {
    for (Word& w : source_) w = Draw();
    for (Word& w : weights_) w = Draw();
  }

  bool exists() const { return kernel_.run != nullptr; }

  void Run() {
    const std::vector<uint32_t> source = Bits(source_);
    const std::vector<uint32_t> weights = Bits(weights_);
    const void* sources[kRows];
    const void* slices[kRows];
    for (int row = 0; row < kRows; ++row) {
      sources[row] = source.data() + row * words_ * positions_;
      slices[row] = weights.data() + row * words_ * kTaps * lanes_;
    }
    const ptrdiff_t offsets[kTaps] = {0, case_.step, 2 * case_.step};
    std::vector<float> out(static_cast<size_t>(kernel_.width * lanes_));
    ProductTile tile;
    tile.sources = sources;
    tile.weights = slices;
    tile.rows = kRows;
    tile.channels = words_;
    tile.block_step = positions_ * case_.step;
    tile.taps = kTaps;
    tile.tap_offsets = offsets;
    tile.out = out.data();
    tile.tile_rows = kernel_.tile_rows;
    if (kernel_.tile_rows > 0) case_.kernels.begin_tiles(kernel_.tile_rows);
    kernel_.run(tile);
    if (kernel_.tile_rows > 0) case_.kernels.end_tiles();
    for (int position = 0; position < kernel_.width; ++position) {
      for (int lane = 0; lane < lanes_; ++lane) {
        ASSERT_EQ(out[static_cast<size_t>(position * lanes_ + lane)], Expected(position, lane))
            << case_.kernels.name << " step " << case_.step << " width " << kernel_.width
            << " slide " << case_.slide << " position " << position << " lane " << lane;
      }
    }
  }

 private:
  struct Word {
    float low;
    float high;
  };

  Word Draw() {
    const auto whole = [this] { return static_cast<float>(static_cast<int>(random_() % 9) - 4); };
    return {whole(), case_.element == Element::kBfloat16 ? whole() : 0};
  }

  std::vector<uint32_t> Bits(const std::vector<Word>& words) const {
    std::vector<uint32_t> bits(words.size());
    for (size_t i = 0; i < words.size(); ++i) {
      const float both[2] = {words[i].low, words[i].high};
      const size_t count = case_.element == Element::kBfloat16 ? 2 : 1;
      case_.kernels.convert(both, &bits[i], case_.element, count);
    }
    return bits;
  }

  float Expected(int position, int lane) const {
    float sum = 0;
    for (int row = 0; row < kRows; ++row) {
      for (int word = 0; word < words_; ++word) {
        for (int tap = 0; tap < kTaps; ++tap) {
          const int block = word / case_.step;
          const int in_block = word % case_.step;
          const int at = (row * kBlocks + block) * positions_ + position + tap;
          const Word x = source_[static_cast<size_t>(at * case_.step + in_block)];
          const int place = kernel_.tile_rows > 0 ? (block * kTaps + tap) * case_.step + in_block
                                                  : word * kTaps + tap;
          const Word w =
              weights_[static_cast<size_t>((row * words_ * kTaps + place) * lanes_ + lane)];
          sum += x.low * w.low + x.high * w.high;
        }
      }
    }
    return sum;
  }

  const ProductCase& case_;
  std::minstd_rand random_{5};
  ProductKernel kernel_;
  int positions_;
  int lanes_;
  int words_;
  std::vector<Word> source_;
  std::vector<Word> weights_;
};

TEST(OpsSimd, ProductsAreRightOnEveryInstructionSet) {
  for (int index = 0; KernelsAt(index) != nullptr; ++index) {
    const Kernels& kernels = *KernelsAt(index);
    const auto check = [&kernels](Element element, int step) {
      for (const bool slide : {true, false}) {
        for (const int width : {1, 4, 9, 16, 24, 50, 64}) {
          const ProductCase product{kernels, element, step, slide, width};
          ProductTest test(product);
          if (test.exists()) test.Run();
        }
      }
    };
    for (const int step : {1, 8, 16}) check(Element::kFloat32, step);
    check(Element::kBfloat16, 8);
    if (kernels.begin_tiles != nullptr) check(Element::kBfloat16, 16);
  }
}

}  // namespace
}  // namespace sentinode::ops::test
