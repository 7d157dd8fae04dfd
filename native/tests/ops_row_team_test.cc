// Threads that help each other with the last rows of a batch.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <new>
#include <thread>
#include <vector>

#include "core/ops/parallel.h"
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

// Several threads at a team's rows, each with an arena of its own. Returns what each failed with.
std::vector<Status> RunTogether(RowTeam& team, int threads,
                                const std::function<Status(int64_t row, uint8_t* arena)>& run) {
  std::vector<Status> results(static_cast<size_t>(threads));
  std::vector<std::thread> members;
  for (Status& result : results) {
    members.emplace_back([&team, &run, &result] {
      std::vector<uint8_t> arena(64);
      result = team.RunRows(arena.data(), [&](int64_t row) { return run(row, arena.data()); });
    });
  }
  for (std::thread& member : members) member.join();
  return results;
}

TEST(OpsRowTeam, WhoHasNoRowHelpsInTheSamePlaceOfItsOwnArena) {
  RowTeam team(1);
  std::atomic<uint8_t*> own{nullptr};
  std::atomic<int> next{0};
  std::atomic<int> workers{0};
  std::atomic<bool> together{false};
  std::atomic<int> done{0};
  std::atomic<int> helped_in_place{0};
  constexpr int kItems = 100;
  const auto work = [&](uint8_t* workspace) {
    *workspace = 40;
    if (workspace != own + 40) ++helped_in_place;
    ++workers;
    for (int item = next++; item < kItems; item = next++) {
      if (item == 0) together = Eventually([&] { return workers == 2; });
      ++done;
    }
  };
  std::vector<uint8_t> arenas[2] = {std::vector<uint8_t>(64), std::vector<uint8_t>(64)};
  const auto member = [&](std::vector<uint8_t>& arena) {
    const Status status = team.RunRows(arena.data(), [&](int64_t) {
      own = arena.data();
      RowTeam::Share(arena.data() + 40, work);
      EXPECT_EQ(done, kItems);  // nobody is still at it
      return Status::Ok();
    });
    EXPECT_TRUE(status.ok());
  };
  std::thread other([&] { member(arenas[0]); });
  member(arenas[1]);
  other.join();
  EXPECT_TRUE(together);
  EXPECT_EQ(helped_in_place, 1);
  for (const std::vector<uint8_t>& arena : arenas) EXPECT_EQ(arena[40], 40);
}

TEST(OpsRowTeam, EveryItemIsDoneOnceByManyThreadsAndRows) {
  constexpr int kRows = 50;
  constexpr int kItems = 20;
  RowTeam team(kRows);
  std::vector<std::atomic<int>> done(kRows * kItems);
  const auto run = [&](int64_t row, uint8_t* arena) {
    std::atomic<int> next{0};
    RowTeam::Share(arena, [&](uint8_t* workspace) {
      for (int item = next++; item < kItems; item = next++) {
        ++*workspace;
        ++done[static_cast<size_t>(row * kItems + item)];
      }
    });
    return Status::Ok();
  };
  for (const Status& status : RunTogether(team, 4, run)) EXPECT_TRUE(status.ok());
  for (const std::atomic<int>& times : done) ASSERT_EQ(times, 1);
}

// A row that fails, throws, or whose helper throws, at any place of a batch: nobody waits for ever,
// somebody tells, and no row is claimed afterwards.
TEST(OpsRowTeam, AFailedRowEndsTheBatchForAllThreads) {
  enum Way { kFails, kThrows, kWorkThrows };
  for (const Way way : {kFails, kThrows, kWorkThrows}) {
    for (int64_t rows = 1; rows <= 33; ++rows) {
      for (int threads = 1; threads <= 8; ++threads) {
        RowTeam team(rows);
        const int64_t bad = (rows * 7 + threads) % rows;
        std::atomic<int64_t> started{0};
        const auto run = [&](int64_t row, uint8_t* arena) {
          ++started;
          if (row != bad) return Status::Ok();
          if (way == kFails) return Status("CANCELLED", "");
          if (way == kThrows) throw std::bad_alloc();
          RowTeam::Share(arena, [](uint8_t*) { throw std::bad_alloc(); });
          return Status::Ok();
        };
        bool told = false;
        for (const Status& status : RunTogether(team, threads, run)) {
          told = told || status.code() == (way == kFails ? "CANCELLED" : "MEMORY_LIMIT");
        }
        EXPECT_TRUE(told) << rows << " rows, " << threads << " threads";
        EXPECT_GT(started, bad);
        const std::vector<Status> late = RunTogether(team, 1, run);
        EXPECT_TRUE(late[0].ok());
      }
    }
  }
}

TEST(OpsRowTeam, AMemberWithoutMemoryStopsTheOthers) {
  RowTeam team(1000);
  const auto run = [&team](int64_t row, uint8_t*) {
    if (row == 3) team.Stop();
    EXPECT_LT(row, 3 + 8);
    return Status::Ok();
  };
  for (const Status& status : RunTogether(team, 4, run)) EXPECT_TRUE(status.ok());
}

TEST(OpsRowTeam, AloneOutsideATeam) {
  uint8_t workspace = 0;
  RowTeam::Share(&workspace, [](uint8_t* own) { *own = 7; });
  EXPECT_EQ(workspace, 7);
}

TEST(OpsParallel, WhatABodyThrowsIsThrownToWhoStartedTheTeam) {
  const ThreadScope scope(4);
  std::atomic<int> done{0};
  const auto body = [&done](int64_t i) {
    if (i == 2) throw std::bad_alloc();
    ++done;
  };
  EXPECT_THROW(ParallelFor(10, body), std::bad_alloc);
  EXPECT_THROW(ParallelForDynamic(10, body), std::bad_alloc);
  EXPECT_EQ(done, 18);
  EXPECT_THROW(ParallelTeam(4, [] { throw std::bad_alloc(); }), std::bad_alloc);
}

}  // namespace
}  // namespace sentinode::ops::test
