// Instances whose batches are cancelled, dropped and too many, at random instants: every request is
// answered once, with its own numbers or with why there are none. Worth most under a sanitizer.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "core/base/clock.h"
#include "core/runtime/model_instance.h"
#include "runtime_support.h"

namespace sentinode {
namespace {

using testing::Floats;
using testing::kEndless;
using testing::kNever;
using testing::OpenSession;
using testing::View;

// Batches of the fixture `loop`, which adds `iterations` to each number of a row.
class Load {
 public:
  explicit Load(unsigned seed) : random_(seed) {}

  // Queues a batch of 1 to 4 requests; false where the instance has been stopped.
  bool Start(ModelInstance& instance, int64_t most_iterations, double deadline = kNever) {
    auto& sent = *batches_.emplace_back(std::make_unique<Sent>());
    const auto requests = static_cast<size_t>(Pick(1, 4));
    Batch batch;
    sent.x.resize(requests);
    sent.iterations.resize(requests);
    for (size_t i = 0; i < requests; ++i) {
      sent.x[i] = std::vector<float>(4, static_cast<float>(i));
      sent.iterations[i] = {Pick(0, most_iterations)};
      batch.requests.push_back({{View(sent.x[i]), View(sent.iterations[i])}, 1, deadline});
    }
    const auto rows = static_cast<int64_t>(requests);
    batch.shapes = {{rows, 4}, {rows}};
    batch.batched = true;
    batch.outputs = {0};
    auto execution = instance.Execute(std::move(batch), [&sent](BatchResult result) {
      sent.result = std::move(result);
      ++sent.answers;
    });
    if (!execution.ok()) {
      EXPECT_EQ(execution.status().code(), "DISPOSED");
      batches_.pop_back();
      return false;
    }
    sent.execution = execution.value();
    return true;
  }

  // A request of a batch that was sent lately.
  void CancelAny(ModelInstance& instance) {
    const size_t recent = std::min<size_t>(batches_.size(), 4);
    const Sent& sent =
        *batches_[batches_.size() - static_cast<size_t>(Pick(1, static_cast<int64_t>(recent)))];
    for (int64_t i = Pick(1, 4); i > 0; --i) {
      instance.Cancel(sent.execution, static_cast<size_t>(Pick(0, 4)));
    };
  }

  size_t Unanswered() const {
    size_t count = 0;
    for (const auto& sent : batches_) count += sent->answers == 0;
    return count;
  }

  // After the instance has ended.
  void Check() {
    for (const auto& sent : batches_) {
      ASSERT_EQ(sent->answers, 1);
      ASSERT_EQ(sent->result.outcomes.size(), sent->x.size());
      const int64_t iterations =
          std::max_element(sent->iterations.begin(), sent->iterations.end())->at(0);
      for (size_t i = 0; i < sent->x.size(); ++i) {
        const Outcome& outcome = sent->result.outcomes[i];
        ASSERT_NE(outcome.kind, OutcomeKind::kFailed) << outcome.status.message();
        ++outcomes[static_cast<size_t>(outcome.kind)];
        if (outcome.kind != OutcomeKind::kOk) continue;
        const float found = Floats(outcome.outputs.at(0)).at(0);
        // One request's count of iterations is that of the whole batch.
        ASSERT_GE(found, static_cast<float>(i));
        ASSERT_LE(found, static_cast<float>(i) + static_cast<float>(iterations));
      }
    }
  }

  int64_t Pick(int64_t lowest, int64_t highest) {
    return std::uniform_int_distribution<int64_t>(lowest, highest)(random_);
  }
  void Pause(int64_t most_microseconds) {
    std::this_thread::sleep_for(std::chrono::microseconds(Pick(0, most_microseconds)));
  }

  size_t outcomes[4] = {};

 private:
  struct Sent {
    std::vector<std::vector<float>> x;
    std::vector<std::vector<int64_t>> iterations;
    std::shared_ptr<Execution> execution;
    BatchResult result;
    std::atomic<int> answers{0};
  };

  std::mt19937 random_;
  std::vector<std::unique_ptr<Sent>> batches_;
};

// The parameter is the instances' number of slots.
class RuntimeStress : public ::testing::TestWithParam<size_t> {};

TEST_P(RuntimeStress, CancelledAtRandomInstants) {
  for (unsigned count = 1; count <= 3; ++count) {
    const auto session = OpenSession("loop");
    std::vector<std::thread> callers;
    std::atomic<size_t> cancelled{0};
    for (unsigned i = 0; i < count; ++i) {
      callers.emplace_back([&session, &cancelled, i] {
        Load load(i);
        {
          ModelInstance instance(session, GetParam());
          for (int batch = 0; batch < 150; ++batch) {
            ASSERT_TRUE(load.Start(instance, 300));
            load.Pause(1500);
            load.CancelAny(instance);
          }
          while (load.Unanswered() > 0) load.Pause(1000);
        }
        load.Check();
        EXPECT_GT(load.outcomes[static_cast<size_t>(OutcomeKind::kOk)], 0u);
        cancelled += load.outcomes[static_cast<size_t>(OutcomeKind::kCancelled)];
      });
    }
    for (std::thread& caller : callers) caller.join();
    EXPECT_GT(cancelled, 0u);
  }
}

TEST_P(RuntimeStress, StoppedAtRandomInstantsWithRunsInFlight) {
  const auto session = OpenSession("loop");
  for (unsigned round = 0; round < 60; ++round) {
    Load load(round);
    Load other(round + 1000);
    {
      ModelInstance instance(session, GetParam());
      std::thread sender([&instance, &other] {
        while (other.Start(instance, 100)) other.Pause(200);
      });
      for (int batch = 0; batch < 5; ++batch) load.Start(instance, batch % 2 ? kEndless : 100);
      load.Pause(3000);
      instance.Stop(nullptr);
      sender.join();
    }
    load.Check();
    other.Check();
  }
}

TEST_P(RuntimeStress, SessionsComeAndGoWhileOthersRun) {
  std::atomic<bool> over{false};
  Load steady(1);
  ModelInstance instance(OpenSession("loop"), GetParam());
  std::thread runner([&] {
    while (!over) {
      ASSERT_TRUE(steady.Start(instance, 50));
      steady.Pause(500);
    }
  });
  std::vector<std::thread> guests;
  for (unsigned i = 0; i < 2; ++i) {
    guests.emplace_back([i] {
      for (unsigned round = 0; round < 15; ++round) {
        Load load(100 * i + round);
        {
          ModelInstance guest(OpenSession("loop"), GetParam());
          for (int batch = 0; batch < 3; ++batch) load.Start(guest, kEndless);
          load.Pause(1000);
        }
        load.Check();
      }
    });
  }
  for (std::thread& guest : guests) guest.join();
  over = true;
  runner.join();
  while (steady.Unanswered() > 0) steady.Pause(1000);
  instance.Stop(nullptr);
  instance.Join();
  steady.Check();
  EXPECT_GT(steady.outcomes[static_cast<size_t>(OutcomeKind::kOk)], 0u);
}

TEST_P(RuntimeStress, OverloadedByManyThreadsWithDeadlines) {
  constexpr unsigned kThreads = 6;
  ModelInstance instance(OpenSession("loop"), GetParam());
  std::vector<Load> loads;
  for (unsigned i = 0; i < kThreads; ++i) loads.emplace_back(i);
  std::vector<std::thread> senders;
  for (Load& load : loads) {
    senders.emplace_back([&instance, &load] {
      for (int batch = 0; batch < 60; ++batch) {
        ASSERT_TRUE(load.Start(instance, 2000, NowMs() + static_cast<double>(load.Pick(1, 60))));
        if (batch % 5 == 0) load.CancelAny(instance);
        load.Pause(500);
      }
    });
  }
  for (std::thread& sender : senders) sender.join();
  size_t expired = 0;
  for (Load& load : loads) {
    while (load.Unanswered() > 0) load.Pause(1000);
  }
  instance.Stop(nullptr);
  instance.Join();
  for (Load& load : loads) {
    load.Check();
    expired += load.outcomes[static_cast<size_t>(OutcomeKind::kExpired)];
  }
  EXPECT_GT(expired, 0u);
}

INSTANTIATE_TEST_SUITE_P(Slots, RuntimeStress, ::testing::Values(1, 2));

}  // namespace
}  // namespace sentinode
