// Where the values of a region lie in memory.
#include <gtest/gtest.h>

#include "core/ops/arena.h"
#include "ops_support.h"

namespace sentinode::ops::test {
namespace {

TEST(OpsArena, BuffersThatAreAliveTogetherNeverOverlap) {
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

}  // namespace
}  // namespace sentinode::ops::test
