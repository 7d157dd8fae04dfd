// GFLOP/s of regions without Node or ONNX Runtime around them, beside the machine's own matrix product.
// Each case takes turns with the product, and the least time of each counts: other load on the machine
// then touches both.
//
//   conv4d_native [--threads N] [--rounds N] [--rows N] [--filter TEXT] [--precision fp32|bf16]
//                 [--taps exact|fast] [--report] [--thread-time]
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "core/ops/arena.h"
#include "core/ops/onednn.h"
#include "core/ops/parallel.h"
#include "core/ops/region.h"

namespace {

using namespace sentinode;
using namespace sentinode::ops;

struct Options {
  int threads = 2;
  int rounds = 10;
  int rows = 1;
  std::string filter;
  std::string precision;  // of fp32 and bf16 one, or empty for both
  std::string taps;       // of exact and fast one, or empty for both
  bool report = false;
  bool thread_time = false;
};

struct Case {
  std::string name;
  std::string steps;
  Volume input;
};

// He-initialised weights for every layer at offset 0 and on: the values matter to the measured errors only.
constexpr size_t kWeights = 64 * 64 * 81 * 2;

std::string Conv(int in, int out, int from, int to, const char* activation = "relu") {
  const std::string threes = "3,3,3,3";
  const std::string ones = "1,1,1,1";
  return "conv in=" + std::to_string(from) + " out=" + std::to_string(to) +
         " channels=" + std::to_string(out) + " kernel=" + threes + " strides=" + ones +
         " dilations=" + ones + " pads=" + ones + "," + ones + " groups=1 weight=" +
         std::to_string(in) + " bias=0 activation=" + activation + "\n";
}

std::string Pool(int from, int to) {
  return "max_pool in=" + std::to_string(from) + " out=" + std::to_string(to) +
         " kernel=1,2,2,2 strides=1,2,2,2 dilations=1,1,1,1 pads=0,0,0,0,0,0,0,0 ceil_mode=0\n";
}

std::vector<Case> Cases() {
  std::vector<Case> cases;
  const auto layer = [&cases](int in, int out, Volume size) {
    size.c = in;
    const std::string shape = std::to_string(size.t) + "x" + std::to_string(size.d) + "x" +
                              std::to_string(size.h) + "x" + std::to_string(size.w);
    cases.push_back({std::to_string(in) + "->" + std::to_string(out) + " " + shape,
                     Conv(in, out, 0, 1) + "output value=1\n", size});
  };
  layer(1, 16, {0, 5, 48, 48, 48});
  layer(16, 32, {0, 5, 24, 24, 24});
  layer(32, 64, {0, 5, 12, 12, 12});
  layer(16, 16, {0, 5, 48, 48, 48});
  layer(8, 16, {0, 5, 32, 64, 64});
  layer(64, 64, {0, 5, 8, 8, 8});
  cases.push_back({"bench4d-large",
                   Conv(1, 16, 0, 1) + Pool(1, 2) + Conv(16, 32, 2, 3) + Pool(3, 4) +
                       Conv(32, 64, 4, 5) + Pool(5, 6) + Conv(64, 64, 6, 7) +
                       "global_average_pool in=7 out=8\noutput value=8\n",
                   {1, 5, 32, 64, 64}});
  return cases;
}

// On the wall, or, on a machine that others use too, the processor's time on this thread.
double Now(bool thread_time) {
  timespec now{};
  clock_gettime(thread_time ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

void Measure(const Case& c, const char* precision, bool exact, const std::string& folder,
             const Options& options, MatrixProduct& product) {
  const Volume& v = c.input;
  const std::string size = std::to_string(v.t) + "," + std::to_string(v.d) + "," +
                           std::to_string(v.h) + "," + std::to_string(v.w);
  const std::string plan = "region 1\nweights " + std::string(64, 'a') + ".weights\nprecision " +
                           precision + "\nexact_taps " + (exact ? "1" : "0") + "\nhint shape=" + size +
                           "\ninput value=0 channels=" + std::to_string(v.c) + "\n" + c.steps;
  auto region = Region::Create(plan, {folder, options.threads, false});
  if (!region.ok()) {
    std::fprintf(stderr, "%s\n", region.status().message().c_str());
    std::exit(1);
  }
  auto program = region.value()->Prepare({v});
  const size_t rows = static_cast<size_t>(options.rows);
  // Aligned as the daemon's batch slots and ONNX Runtime's tensors are.
  const size_t inputs = rows * static_cast<size_t>(v.elements());
  const size_t outputs = rows * static_cast<size_t>(program.value()->output_volume(0).elements());
  Arena memory[2];
  if (!memory[0].Grow(inputs * sizeof(float)).ok()) std::exit(1);
  if (!memory[1].Grow(outputs * sizeof(float)).ok()) std::exit(1);
  float* const input = reinterpret_cast<float*>(memory[0].data());
  float* const output = reinterpret_cast<float*>(memory[1].data());
  std::minstd_rand random(3);
  for (size_t i = 0; i < inputs; ++i) {
    input[i] = static_cast<float>(random()) / 2147483647.0f - 0.5f;
  }
  double best = std::numeric_limits<double>::infinity();
  double ceiling = best;
  for (int round = 0; round < options.rounds + 2; ++round) {
    double start = Now(options.thread_time);
    const Status status = region.value()->Run(*program.value(), options.rows, {input}, {output});
    if (!status.ok()) std::exit(1);
    best = std::min(best, (Now(options.thread_time) - start) / options.rows);
    start = Now(options.thread_time);
    product.Run();
    ceiling = std::min(ceiling, Now(options.thread_time) - start);
  }
  const double gflops = program.value()->flops() / best * 1e-9;
  const double most = product.flops() / ceiling * 1e-9;
  std::string forms;
  for (const ConvChoice& choice : program.value()->choices()) {
    forms += ToString(choice) + " ";
  }
  std::printf("%-20s %s%s %8.2f ms %7.1f GFLOP/s  ceiling %6.1f  share %.2f  planned %5.1f MB  %s\n",
              c.name.c_str(), precision, exact ? " exact" : "      ", best * 1e3, gflops, most,
              gflops / most, static_cast<double>(region.value()->planned_bytes()) / 1e6,
              forms.c_str());
  std::fflush(stdout);
  if (options.report) std::printf("%s\n", region.value()->ReportJson().c_str());
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--report") {
      options.report = true;
    } else if (argument == "--thread-time") {
      options.thread_time = true;
    } else if (i + 1 < argc && argument == "--threads") {
      options.threads = std::atoi(argv[++i]);
    } else if (i + 1 < argc && argument == "--rounds") {
      options.rounds = std::atoi(argv[++i]);
    } else if (i + 1 < argc && argument == "--rows") {
      options.rows = std::atoi(argv[++i]);
    } else if (i + 1 < argc && argument == "--filter") {
      options.filter = argv[++i];
    } else if (i + 1 < argc && argument == "--precision") {
      options.precision = argv[++i];
    } else if (i + 1 < argc && argument == "--taps") {
      options.taps = argv[++i];
    } else {
      std::fprintf(stderr,
                   "conv4d_native [--threads N] [--rounds N] [--rows N] [--filter TEXT]\n"
                   "              [--precision fp32|bf16] [--taps exact|fast]\n"
                   "              [--report] [--thread-time]\n");
      return 2;
    }
  }
  std::string folder = (std::filesystem::temp_directory_path() / "conv4d-XXXXXX").string();
  folder = mkdtemp(folder.data());
  {
    std::vector<float> weights(kWeights);
    std::mt19937 random(1);
    std::normal_distribution<float> normal(0, 0.05f);
    for (float& x : weights) x = normal(random);
    std::ofstream file(folder + "/" + std::string(64, 'a') + ".weights", std::ios::binary);
    file.write(reinterpret_cast<const char*>(weights.data()),
               static_cast<std::streamsize>(weights.size() * sizeof(float)));
  }
  const ThreadScope scope(options.threads);
  MatrixProduct product(2048);
  for (const Case& c : Cases()) {
    if (c.name.find(options.filter) == std::string::npos) continue;
    for (const char* precision : {"fp32", "bf16"}) {
      if (!options.precision.empty() && options.precision != precision) continue;
      for (const bool exact : {true, false}) {
        if (!options.taps.empty() && (options.taps == "exact") != exact) continue;
        Measure(c, precision, exact, folder, options, product);
      }
    }
  }
  std::filesystem::remove_all(folder);
  return 0;
}
