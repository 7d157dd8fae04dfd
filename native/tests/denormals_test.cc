// Which threads treat denormals as zero, and which are left as they were.
#include "core/base/denormals.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "core/imaging/parallel.h"
#include "runtime_support.h"

#ifdef SENTINODE_HAVE_ONEDNN
#include "core/ops/parallel.h"
#endif

namespace sentinode {
namespace {

// Read from memory, so that the compiler computes nothing.
bool DenormalsCount() {
  volatile float least = 1e-40F;
  volatile float half = 0.5F;
  return least * half > 0.0F;
}

TEST(DenormalsTest, AScopeSetsThemAndLeavesTheThreadAsItWas) {
  ASSERT_TRUE(DenormalsCount());
  {
    const FlushDenormals outer;
    EXPECT_TRUE(FlushDenormals::Active());
    EXPECT_FALSE(DenormalsCount());
    {
      const FlushDenormals inner;
    }
    EXPECT_FALSE(DenormalsCount());
    bool inherited = false;
    std::thread([&] { inherited = !DenormalsCount(); }).join();
    EXPECT_TRUE(inherited);
  }
  EXPECT_FALSE(FlushDenormals::Active());
  EXPECT_TRUE(DenormalsCount());
}

// ONNX Runtime sets the control register of the thread that creates the first session.
TEST(DenormalsTest, AThreadThatCreatesASessionIsLeftAsItWas) {
  EXPECT_NE(testing::OpenSession("identity_FP32"), nullptr);
  EXPECT_TRUE(DenormalsCount());
}

TEST(DenormalsTest, ThreadsThatHelpTreatThemAsZero) {
  std::atomic<int> counting{0};
  const auto look = [&](int64_t) { counting += DenormalsCount() ? 1 : 0; };
  EXPECT_TRUE(imaging::ParallelFor(100, 4, look));
#ifdef SENTINODE_HAVE_ONEDNN
  const ops::ThreadScope scope(4);
  ops::ParallelFor(100, look);
  ops::ParallelForDynamic(100, look);
  ops::ParallelTeam(4, [&] { look(0); });
#endif
  EXPECT_EQ(counting, 0);
  EXPECT_TRUE(DenormalsCount());
}

}  // namespace
}  // namespace sentinode
