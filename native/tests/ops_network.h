// A network small enough to be compared with float64 loops, as one region.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "ops_support.h"

namespace sentinode::ops::test {

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

}  // namespace sentinode::ops::test
