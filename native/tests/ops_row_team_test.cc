// Threads that help each other with the last rows of a batch.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "core/ops/row_team.h"

namespace sentinode::ops::test {
namespace {

// Waits for what only another thread can bring about.
template <typename Condition>
bool Eventually(const Condition& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::yield();
  }
  return true;
}

TEST(OpsRowTeam, WhoHasNoRowHelpsInTheSamePlaceOfItsOwnArena) {
  RowTeam team(1);
  std::vector<uint8_t> own(64);
  std::vector<uint8_t> other(64);
  std::atomic<int> next{0};
  std::atomic<int> workers{0};
  std::atomic<bool> together{false};
  std::atomic<int> done{0};
  constexpr int kItems = 100;
  std::thread helper([&] { team.Help(other.data()); });
  {
    const RowTeam::Member member(team, own.data());
    RowTeam::Share(own.data() + 40, [&](uint8_t* workspace) {
      *workspace = 1;
      ++workers;
      for (int item = next++; item < kItems; item = next++) {
        if (item == 0) together = Eventually([&] { return workers == 2; });
        ++done;
      }
    });
    EXPECT_EQ(done, kItems);  // nobody is still at it
  }
  team.FinishRows(1);
  helper.join();
  EXPECT_TRUE(together);
  EXPECT_EQ(own[40], 1);
  EXPECT_EQ(other[40], 1);
}

TEST(OpsRowTeam, EveryItemIsDoneOnceByManyThreadsAndRows) {
  constexpr int kThreads = 4;
  constexpr int kRows = 50;
  constexpr int kItems = 20;
  RowTeam team(kRows);
  std::vector<std::atomic<int>> done(kRows * kItems);
  std::atomic<int> next_row{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      std::vector<uint8_t> arena(64);
      for (int row = next_row++; row < kRows; row = next_row++) {
        const RowTeam::Member member(team, arena.data());
        std::atomic<int> next{0};
        RowTeam::Share(arena.data(), [&](uint8_t* workspace) {
          for (int item = next++; item < kItems; item = next++) {
            ++*workspace;
            ++done[static_cast<size_t>(row * kItems + item)];
          }
        });
        team.FinishRows(1);
      }
      team.Help(arena.data());
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::atomic<int>& times : done) ASSERT_EQ(times, 1);
}

TEST(OpsRowTeam, AloneOutsideATeam) {
  uint8_t workspace = 0;
  RowTeam::Share(&workspace, [](uint8_t* own) { *own = 7; });
  EXPECT_EQ(workspace, 7);
}

}  // namespace
}  // namespace sentinode::ops::test
