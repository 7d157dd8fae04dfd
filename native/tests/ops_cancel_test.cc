// Batches that are cancelled at random instants, with every count of rows, threads and callers.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <thread>

#include "core/base/cancel.h"
#include "ops_network.h"
#include "ops_support.h"

namespace sentinode::ops::test {
namespace {

constexpr int64_t kMostRows = 33;
constexpr int kMostThreads = 8;
constexpr int kMostCallers = 3;

// Ends the process with a failure where its scope does not end: threads that wait for ever cannot
// be joined, and a test that hangs says nothing.
class Watch {
 public:
  explicit Watch(std::string what)
      : thread_([this, what = std::move(what)] {
          std::unique_lock<std::mutex> lock(mutex_);
          if (ended_.wait_for(lock, std::chrono::minutes(2), [this] { return done_; })) return;
          std::fprintf(stderr, "FAILED: hangs: %s\n", what.c_str());
          std::_Exit(1);
        }) {}
  ~Watch() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      done_ = true;
    }
    ended_.notify_one();
    thread_.join();
  }

 private:
  std::mutex mutex_;
  std::condition_variable ended_;
  bool done_ = false;
  std::thread thread_;
};

// Runs batches of one caller of a region, as an instance of a model does.
class Caller {
 public:
  Caller(Region& region, const Volume& volume)
      : region_(region), program_(region.Prepare({volume}).value()) {
    in_.assign(static_cast<size_t>(kMostRows * volume.elements()), 0.5f);
    for (size_t i = 0; i < 3; ++i) {
      const int64_t elements = program_->output_volume(i).elements();
      out_.emplace_back(static_cast<size_t>(kMostRows * elements));
      pointers_.push_back(out_.back().data());
    }
  }

  // Every row has the same input, so a run that was not cancelled has the same in each.
  void Run(int64_t rows) {
    for (auto& output : out_) std::fill(output.begin(), output.end(), -1.0f);
    flag = false;
    const CancelScope scope(&flag);
    const Status status = region_.Run(*program_, rows, {in_.data()}, pointers_);
    if (!status.ok()) {
      EXPECT_EQ(status.code(), "CANCELLED");
      ++cancelled;
      return;
    }
    ++completed;
    const auto width = static_cast<size_t>(program_->output_volume(0).elements());
    for (size_t i = 0; i < static_cast<size_t>(rows) * width; ++i) {
      ASSERT_NEAR(out_[0][i], out_[0][i % width], 1e-4) << "row " << i / width << " of " << rows;
    }
  }

  std::atomic<bool> flag{false};
  int completed = 0;
  int cancelled = 0;

 private:
  Region& region_;
  std::shared_ptr<const Program> program_;
  std::vector<float> in_;
  std::vector<std::vector<float>> out_;
  std::vector<float*> pointers_;
};

TEST(OpsCancel, AtRandomInstantsWithAllCountsOfRowsThreadsAndCallers) {
  Random random(31);
  Network network(random);
  int completed = 0;
  int cancelled = 0;
  for (int threads = 1; threads <= kMostThreads; ++threads) {
    network.fixture.threads = threads;
    auto region = network.fixture.Create();
    ASSERT_TRUE(region.ok()) << region.status().message();
    for (int count = 1; count <= kMostCallers; ++count) {
      const Watch watch(std::to_string(threads) + " threads, " + std::to_string(count) +
                        " callers");
      std::vector<std::unique_ptr<Caller>> callers;
      for (int i = 0; i < count; ++i) {
        callers.push_back(std::make_unique<Caller>(*region.value(), Volume{1, 2, 3, 4, 5}));
      }
      std::atomic<int> running{count};
      std::vector<std::thread> runners;
      for (auto& caller : callers) {
        runners.emplace_back([&caller, &running] {
          for (int64_t rows = 1; rows <= kMostRows; ++rows) caller->Run(rows);
          --running;
        });
      }
      // Runs take from tens of microseconds to a few milliseconds.
      for (size_t i = 0; running > 0; ++i) {
        std::this_thread::sleep_for(std::chrono::microseconds(Pick(random, 0, 1500) / count));
        callers[i % callers.size()]->flag = true;
      }
      for (std::thread& runner : runners) runner.join();
      for (const auto& caller : callers) {
        completed += caller->completed;
        cancelled += caller->cancelled;
      }
    }
  }
  EXPECT_EQ(completed + cancelled, kMostThreads * kMostRows * (1 + 2 + 3));
  EXPECT_GT(completed, 0);
  EXPECT_GT(cancelled, 0);
  std::printf("%d completed, %d cancelled\n", completed, cancelled);
}

}  // namespace
}  // namespace sentinode::ops::test
