#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "core/base/clock.h"
#include "core/runtime/batch_slot.h"
#include "core/runtime/library.h"
#include "core/runtime/model_instance.h"
#include "core/runtime/ort.h"
#include "core/runtime/session.h"
#include "core/runtime/strings.h"
#include "runtime_support.h"

namespace sentinode {
namespace {

using testing::Floats;
using testing::kEndless;
using testing::kNever;
using testing::OpenSession;
using testing::View;
using testing::Waiter;

std::string Wire(const std::vector<std::string>& elements) {
  std::string wire;
  for (const std::string& element : elements) {
    const auto length = static_cast<uint32_t>(element.size());
    wire.append(reinterpret_cast<const char*>(&length), sizeof(length)).append(element);
  }
  return wire;
}

ByteView View(const std::string& bytes) {
  return {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()};
}

TEST(StringsTest, AreReadAndWrittenWithTheirLengths) {
  const std::vector<std::string> elements{"one", "", std::string("a\0b", 3), "last"};
  const std::string wire = Wire(elements);
  ASSERT_TRUE(CheckStrings(View(wire), elements.size()).ok());
  std::vector<std::string> read;
  AppendStrings(View(wire), read);
  EXPECT_EQ(read, elements);

  const size_t offsets[] = {0, 3, 3, 6};
  const Output written = EncodeStrings("one" + elements[2] + "last", offsets, 4);
  EXPECT_EQ(std::string(written.data.get(), written.data.get() + written.size), wire);
}

TEST(StringsTest, AnyCutOrExtraByteIsRefused) {
  const std::string wire = Wire({"abc", "", "defg"});
  for (size_t size = 0; size < wire.size(); ++size) {
    EXPECT_EQ(CheckStrings(View(wire.substr(0, size)), 3).code(), "INVALID_REQUEST") << size;
  }
  EXPECT_EQ(CheckStrings(View(wire + "x"), 3).code(), "INVALID_REQUEST");
  EXPECT_EQ(CheckStrings(View(wire), 2).code(), "INVALID_REQUEST");
  EXPECT_EQ(CheckStrings(View(std::string("\xff\xff\xff\xff", 4)), 1).code(), "INVALID_REQUEST");
}

// What is wrong with loading, or nothing. Leaves the right library loaded.
std::string LoadWrongThenRight() {
  if (RequireRuntime().code() != "RUNTIME_NOT_FOUND") return "loaded from the start";
  if (LoadRuntime("/nowhere/libonnxruntime.so").status().code() != "RUNTIME_NOT_FOUND") {
    return "a file that is not there";
  }
  if (LoadRuntime("libm.so.6").status().code() != "RUNTIME_NOT_FOUND") return "another library";
  if (Session::Create(testing::OptionsFor("scalar")).status().code() != "RUNTIME_NOT_FOUND") {
    return "a session without a runtime";
  }
  if (!LoadRuntime(testing::RuntimePath()).ok()) return "the right one";
  if (!LoadRuntime(testing::RuntimePath()).ok()) return "the right one again";
  if (LoadRuntime("libm.so.6").status().code() != "INVALID_OPTION") return "another one after it";
  return "";
}

// In a process of its own: a process has one runtime, and other tests load it.
TEST(LibraryTest, WhatIsNoRuntimeIsACodedErrorAndTheRightOneStillLoads) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        const std::string wrong = LoadWrongThenRight();
        std::fprintf(stderr, "wrong: '%s'\n", wrong.c_str());
        std::_Exit(wrong.empty() ? 0 : 1);
      },
      ::testing::ExitedWithCode(0), "wrong: ''");
}

TEST(SessionTest, ConcurrentCreationSucceeds) {
  OpenSession("scalar");
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([] {
      for (int k = 0; k < 5; ++k) EXPECT_NE(OpenSession("rows"), nullptr);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(SessionTest, AProviderThatCannotRunNamesWhatIsMissing) {
  OpenSession("scalar");
  SessionOptions options = testing::OptionsFor("scalar");
  options.provider.provider = Provider::kCuda;
  const Status status = Session::Create(options).status();
  EXPECT_EQ(status.code(), "PROVIDER_UNAVAILABLE");
  EXPECT_NE(status.message().find("libonnxruntime_providers_cuda.so"), std::string::npos);
}

class SlotTest : public ::testing::Test {
 protected:
  // Requests of the fixture `rows`: a is [rows,3] of `value`, b [rows,1] of it too.
  void Add(int64_t rows, float value) {
    a_.emplace_back(static_cast<size_t>(rows) * 3, value);
    b_.emplace_back(static_cast<size_t>(rows), static_cast<int64_t>(value));
    rows_ += rows;
    batch_.requests.push_back({{View(a_.back()), View(b_.back())}, rows, kNever});
    batch_.shapes = {{rows_, 3}, {rows_, 1}};
    batch_.batched = true;
    batch_.outputs = {0};
  }

  std::vector<std::vector<float>> a_;
  std::vector<std::vector<int64_t>> b_;
  Batch batch_;
  int64_t rows_ = 0;
};

TEST_F(SlotTest, RunsWhatIsLeftAfterCompacting) {
  const auto session = OpenSession("rows");
  a_.reserve(8);
  for (int i = 1; i <= 5; ++i) Add(i, static_cast<float>(i));
  ASSERT_TRUE(ValidateBatch(*session, batch_).ok());
  for (const std::vector<size_t>& keep :
       std::vector<std::vector<size_t>>{{0, 1, 2, 3, 4}, {1, 3}, {4}, {0, 4}, {0, 1}, {}}) {
    BatchSlot slot(session);
    ASSERT_TRUE(slot.Prepare(batch_).ok());
    for (size_t i = 0; i < 5; ++i) ASSERT_TRUE(slot.Append(batch_, i).ok());
    EXPECT_EQ(slot.rows(), 15);
    slot.Compact(batch_, keep);
    std::vector<float> expected;
    for (size_t index : keep) expected.insert(expected.end(), a_[index].begin(), a_[index].end());
    EXPECT_EQ(slot.live(), keep);
    EXPECT_EQ(static_cast<size_t>(slot.rows()) * 3, expected.size());
    if (keep.empty()) continue;
    const float* data = slot.Values()[0].GetTensorData<float>();
    EXPECT_EQ(std::vector<float>(data, data + expected.size()), expected);
  }
}

TEST_F(SlotTest, ALoneRequestIsReadWhereItLiesIfItIsAligned) {
  const auto session = OpenSession("rows");
  Add(2, 5);
  std::vector<uint8_t> shifted(a_[0].size() * sizeof(float) + 1);
  std::memcpy(shifted.data() + 1, a_[0].data(), shifted.size() - 1);
  BatchSlot slot(session);
  const auto address = [&] {
    slot.Clear();
    EXPECT_TRUE(slot.Prepare(batch_).ok());
    EXPECT_TRUE(slot.Append(batch_, 0).ok());
    return slot.Values()[0].GetTensorData<float>();
  };
  EXPECT_EQ(address(), a_[0].data());
  batch_.requests[0].inputs[0].data = shifted.data() + 1;
  const float* copied = address();
  EXPECT_EQ(reinterpret_cast<uintptr_t>(copied) % kBatchAlignment, 0u);
  EXPECT_EQ(std::vector<float>(copied, copied + a_[0].size()), a_[0]);
}

// A copy would have memory of its own for each request.
TEST(OutputsTest, LargeOnesAreTheMemoryOfTheRunAndOutliveTheSession) {
  const std::vector<float> first(20000, 1), second(20000, 2);
  Batch batch;
  for (const auto* values : {&first, &second}) {
    batch.requests.push_back({{View(*values)}, 1, kNever});
  }
  batch.shapes = {{2, 20000}};
  batch.batched = true;
  batch.outputs = {0};
  Waiter waiter;
  {
    ModelInstance instance(OpenSession("identity_FP32"), 1);
    ASSERT_TRUE(instance.Execute(std::move(batch), waiter.done()).ok());
    waiter.Wait();
  }
  const auto& outcomes = waiter.Wait().outcomes;
  const Output& a = outcomes.at(0).outputs.at(0);
  const Output& b = outcomes.at(1).outputs.at(0);
  EXPECT_EQ(a.data.get() + a.size, b.data.get());
  EXPECT_EQ(Floats(a), first);
  EXPECT_EQ(Floats(b), second);
}

// Queues a batch of one row of the fixture `loop`: x plus `iterations`.
// The parameter is the instance's number of slots.
class LoopTest : public ::testing::TestWithParam<size_t> {
 protected:
  std::shared_ptr<Execution> Start(ModelInstance& instance, Waiter& waiter, int64_t iterations,
                                   double deadline = kNever) {
    inputs_.push_back(std::make_unique<Inputs>());
    Inputs& inputs = *inputs_.back();
    inputs.iterations = {iterations};
    Batch batch;
    batch.requests.push_back({{View(inputs.x), View(inputs.iterations)}, 1, deadline});
    batch.shapes = {{1, 4}, {1}};
    batch.batched = true;
    batch.outputs = {0};
    auto execution = instance.Execute(std::move(batch), waiter.done());
    EXPECT_TRUE(execution.ok()) << execution.status().message();
    return execution.value();
  }

 private:
  struct Inputs {
    std::vector<float> x{1, 2, 3, 4};
    std::vector<int64_t> iterations;
  };
  std::vector<std::unique_ptr<Inputs>> inputs_;
};

TEST_P(LoopTest, AnswersWhatItComputes) {
  ModelInstance instance(OpenSession("loop"), GetParam());
  Waiter waiter;
  Start(instance, waiter, 10);
  const BatchResult& result = waiter.Wait();
  ASSERT_EQ(result.outcomes.at(0).kind, OutcomeKind::kOk);
  EXPECT_EQ(Floats(result.outcomes[0].outputs.at(0)), (std::vector<float>{11, 12, 13, 14}));
  EXPECT_EQ(result.rows, 1);
}

TEST_P(LoopTest, GathersTheNextBatchWhileOneRunsWhereItHasTwoSlots) {
  ModelInstance instance(OpenSession("loop"), GetParam());
  Waiter running, next;
  const auto endless = Start(instance, running, kEndless);
  Start(instance, next, 1);
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  instance.Cancel(endless, 0);
  EXPECT_EQ(running.Wait().outcomes.at(0).kind, OutcomeKind::kCancelled);
  EXPECT_EQ(next.Wait().outcomes.at(0).kind, OutcomeKind::kOk);
  EXPECT_EQ(next.Wait().gather_end < running.Wait().run_end, GetParam() == 2);
}

TEST_P(LoopTest, ExpiryIsCheckedOnceMoreJustBeforeTheRun) {
  ModelInstance instance(OpenSession("loop"), GetParam());
  Waiter running, next;
  const auto endless = Start(instance, running, kEndless);
  Start(instance, next, 1, NowMs() + 30);
  std::this_thread::sleep_for(std::chrono::milliseconds(60));
  instance.Cancel(endless, 0);
  EXPECT_EQ(next.Wait().outcomes.at(0).kind, OutcomeKind::kExpired);
  EXPECT_EQ(next.Wait().rows, 0);
}

TEST_P(LoopTest, StopAnswersEverythingAndRefusesMore) {
  ModelInstance instance(OpenSession("loop"), GetParam());
  std::vector<Waiter> waiters(6);
  for (Waiter& waiter : waiters) Start(instance, waiter, kEndless);
  std::atomic<int> stopped{0};
  instance.Stop([&] { ++stopped; });
  instance.Stop([&] { ++stopped; });
  instance.Join();
  EXPECT_EQ(stopped, 2);
  for (Waiter& waiter : waiters) {
    EXPECT_EQ(waiter.Wait().outcomes.at(0).kind, OutcomeKind::kCancelled);
  }
  Batch batch;
  batch.requests.push_back({{View(std::vector<float>(4)), View(std::vector<int64_t>(1))}, 1, 0});
  batch.shapes = {{1, 4}, {1}};
  batch.batched = true;
  batch.outputs = {0};
  EXPECT_EQ(instance.Execute(batch, {}).status().code(), "DISPOSED");
  instance.Stop([&] { ++stopped; });
  EXPECT_EQ(stopped, 3) << "at once where it has ended";
}

TEST_P(LoopTest, SurvivesCancellingFromManyThreads) {
  const auto session = OpenSession("loop");
  ModelInstance instance(session, GetParam());
  for (int round = 0; round < 100; ++round) {
    std::vector<Waiter> waiters(3);
    std::vector<std::shared_ptr<Execution>> executions;
    for (size_t i = 0; i < waiters.size(); ++i) {
      executions.push_back(Start(instance, waiters[i], static_cast<int64_t>(100 * i)));
    }
    std::vector<std::thread> threads;
    for (const auto& execution : executions) {
      threads.emplace_back([&instance, &execution] { instance.Cancel(execution, 0); });
    }
    for (std::thread& thread : threads) thread.join();
    for (Waiter& waiter : waiters) {
      const OutcomeKind kind = waiter.Wait().outcomes.at(0).kind;
      EXPECT_TRUE(kind == OutcomeKind::kOk || kind == OutcomeKind::kCancelled);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Slots, LoopTest, ::testing::Values(1, 2));

}  // namespace
}  // namespace sentinode
