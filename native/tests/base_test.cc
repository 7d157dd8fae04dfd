#include <gtest/gtest.h>

#include <cstdint>
#include <limits>

#include "core/base/data_type.h"
#include "core/base/memory.h"
#include "core/base/shape.h"

namespace sentinode {
namespace {

constexpr int64_t kHuge = std::numeric_limits<int64_t>::max();

TEST(DataTypeTest, NamesAreParsedBackToTheirType) {
  for (const DataTypeEntry& entry : kDataTypes) EXPECT_EQ(ParseDataType(entry.name), entry.type);
  EXPECT_EQ(ParseDataType("FLOAT"), std::nullopt);
  EXPECT_EQ(ParseDataType(""), std::nullopt);
}

TEST(ShapeTest, CountsElements) {
  EXPECT_EQ(ElementCount({}), 1);
  EXPECT_EQ(ElementCount({2, 3, 4}), 24);
  EXPECT_EQ(ElementCount({2, 0, 4}), 0);
}

TEST(ShapeTest, RefusesNegativeDimensionsAndOverflow) {
  EXPECT_EQ(ElementCount({2, -1}), std::nullopt);
  EXPECT_EQ(ElementCount({kHuge, 2}), std::nullopt);
  EXPECT_EQ(ElementCount({0, kHuge, 2}), std::nullopt) << "a zero does not excuse the rest";
  EXPECT_EQ(ByteCount({kHuge}, 8), std::nullopt);
  EXPECT_EQ(ByteCount({3, 5}, 8), 120u);
}

TEST(MemoryTest, BuffersAreAlignedCountedAndGivenBack) {
  const size_t before = MemoryAccount::Process().stats().pageable_bytes;
  {
    Buffer buffer;
    ASSERT_TRUE(buffer.Grow(PageableAllocator(), 1000).ok());
    EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer.data()) % kBatchAlignment, 0u);
    EXPECT_EQ(MemoryAccount::Process().stats().pageable_bytes, before + 1000);
    uint8_t* const data = buffer.data();
    ASSERT_TRUE(buffer.Grow(PageableAllocator(), 500).ok());
    EXPECT_EQ(buffer.data(), data) << "what is large enough is kept";
    Buffer moved = std::move(buffer);
    EXPECT_EQ(moved.data(), data);
    EXPECT_EQ(MemoryAccount::Process().stats().pageable_bytes, before + 1000);
  }
  EXPECT_EQ(MemoryAccount::Process().stats().pageable_bytes, before);
}

TEST(MemoryTest, TheCapIsCodedAndCountsNothing) {
  const MemoryAccount::Stats before = MemoryAccount::Process().stats();
  MemoryAccount::Process().SetLimit(before.pageable_bytes + before.pinned_bytes + 100);
  Buffer fits;
  EXPECT_TRUE(fits.Grow(PageableAllocator(), 100).ok());
  Buffer buffer;
  const Status status = buffer.Grow(PageableAllocator(), 1);
  EXPECT_EQ(status.code(), "MEMORY_LIMIT");
  EXPECT_EQ(buffer.data(), nullptr);
  EXPECT_EQ(MemoryAccount::Process().stats().pageable_bytes, before.pageable_bytes + 100);
  MemoryAccount::Process().SetLimit(before.limit_bytes);
}

}  // namespace
}  // namespace sentinode
