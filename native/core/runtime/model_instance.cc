#include "core/runtime/model_instance.h"

#include <pthread.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "core/base/cancel.h"
#include "core/base/clock.h"
#include "core/base/denormals.h"
#include "core/base/guard.h"
#include "core/base/operator_failure.h"
#include "core/runtime/batch_slot.h"
#include "core/runtime/ort.h"
#include "core/runtime/ort_failure.h"
#include "core/runtime/outputs.h"
#include "core/runtime/run_memory.h"

#ifdef _OPENMP
#include <omp.h>
#endif

namespace sentinode {

struct Execution {
  Batch batch;
  BatchDone done;
  BatchResult result;
  std::atomic<RunStage> stage{RunStage::kWaiting};
  std::vector<bool> cancelled;  // under the instance's mutex
  std::unique_ptr<BatchSlot> slot;
};

namespace {

void Fail(Outcome& outcome, const Status& status) {
  outcome.outputs.clear();
  outcome.kind = OutcomeKind::kFailed;
  outcome.status = status;
}

}  // namespace

ModelInstance::ModelInstance(std::shared_ptr<Session> session, size_t slots)
    : session_(std::move(session)),
      gathers_ahead_(slots > 1),
      run_options_(std::make_unique<Ort::RunOptions>()) {
  for (size_t i = 0; i < slots; ++i) free_slots_.push_back(std::make_unique<BatchSlot>(session_));
  if (gathers_ahead_) gather_thread_ = std::thread([this] { GatherLoop(); });
  run_thread_ = std::thread([this] { RunLoop(); });
}

ModelInstance::~ModelInstance() {
  Stop(nullptr);
  Join();
}

Result<std::shared_ptr<Execution>> ModelInstance::Execute(Batch batch, BatchDone done) {
  SENTINODE_RETURN_IF_ERROR(ValidateBatch(*session_, batch));
  auto execution = std::make_shared<Execution>();
  execution->result.outcomes.resize(batch.requests.size());
  execution->cancelled.resize(batch.requests.size());
  execution->batch = std::move(batch);
  execution->done = std::move(done);
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (stopping_) return Status("DISPOSED", "the instance was disposed");
    queued_.push_back(execution);
  }
  (gathers_ahead_ ? to_gather_ : to_run_).notify_one();
  return execution;
}

void ModelInstance::Cancel(const std::shared_ptr<Execution>& execution, size_t index) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (index < execution->cancelled.size()) CancelLocked(*execution, index);
}

RunStage ModelInstance::StageOf(const std::shared_ptr<Execution>& execution) {
  return execution->stage;
}

void ModelInstance::CancelLocked(Execution& execution, size_t index) {
  execution.cancelled[index] = true;
  if (running_.get() == &execution && Abandoned(execution)) {
    cancel_run_.store(true, std::memory_order_relaxed);
    run_options_->SetTerminate();
  }
}

bool ModelInstance::Abandoned(const Execution& execution) const {
  const std::vector<size_t>& live = execution.slot->live();
  return std::all_of(live.begin(), live.end(),
                     [&](size_t index) { return execution.cancelled[index]; });
}

void ModelInstance::Stop(std::function<void()> stopped) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
    const auto cancel_all = [this](Execution& execution) {
      for (size_t i = 0; i < execution.cancelled.size(); ++i) CancelLocked(execution, i);
    };
    for (const auto& execution : queued_) cancel_all(*execution);
    for (const auto& execution : gathered_) cancel_all(*execution);
    if (gathering_) cancel_all(*gathering_);
    if (running_) cancel_all(*running_);
    if (!stopped_) {
      if (stopped) on_stopped_.push_back(std::move(stopped));
      stopped = nullptr;
    }
  }
  to_gather_.notify_all();
  to_run_.notify_all();
  if (stopped) stopped();
}

void ModelInstance::Join() {
  std::lock_guard<std::mutex> lock(join_mutex_);
  if (gather_thread_.joinable()) gather_thread_.join();
  if (run_thread_.joinable()) run_thread_.join();
}

void ModelInstance::GatherLoop() {
  pthread_setname_np(pthread_self(), "sn-gather");
  std::unique_lock<std::mutex> lock(mutex_);
  while (true) {
    to_gather_.wait(lock, [this] { return queued_.empty() ? stopping_ : !free_slots_.empty(); });
    if (queued_.empty()) break;
    gathered_.push_back(GatherNext(lock));
    to_run_.notify_one();
  }
  gather_ended_ = true;
  to_run_.notify_one();
}

// Moves the first of the queue into a free slot; there are one of each. Unlocks meanwhile.
std::shared_ptr<Execution> ModelInstance::GatherNext(std::unique_lock<std::mutex>& lock) {
  std::shared_ptr<Execution> execution = std::move(queued_.front());
  queued_.pop_front();
  execution->slot = std::move(free_slots_.back());
  free_slots_.pop_back();
  gathering_ = execution;
  lock.unlock();
  Gather(*execution);
  lock.lock();
  gathering_.reset();
  return execution;
}

// Waits for the next batch; null when none will come.
std::shared_ptr<Execution> ModelInstance::NextToRun(std::unique_lock<std::mutex>& lock) {
  if (!gathers_ahead_) {
    to_run_.wait(lock, [this] { return !queued_.empty() || stopping_; });
    return queued_.empty() ? nullptr : GatherNext(lock);
  }
  to_run_.wait(lock, [this] { return !gathered_.empty() || gather_ended_; });
  if (gathered_.empty()) return nullptr;
  std::shared_ptr<Execution> execution = std::move(gathered_.front());
  gathered_.pop_front();
  return execution;
}

void ModelInstance::Gather(Execution& execution) {
  execution.stage = RunStage::kGather;
  execution.result.gather_start = NowMs();
  execution.slot->Clear();
  std::vector<size_t> keep(execution.batch.requests.size());
  std::iota(keep.begin(), keep.end(), size_t{0});
  Settle(execution, keep);
  const Status prepared = GuardRun([&] {
    if (!keep.empty()) SENTINODE_RETURN_IF_ERROR(execution.slot->Prepare(execution.batch));
    return Status::Ok();
  });
  for (size_t index : keep) {
    const Status status =
        prepared.ok() ? GuardRun([&] { return execution.slot->Append(execution.batch, index); })
                      : prepared;
    if (!status.ok()) Fail(execution.result.outcomes[index], status);
  }
  execution.result.gather_end = NowMs();
  execution.stage = RunStage::kWaiting;
}

// Takes out of `keep` whoever is cancelled or has expired, and notes which of the two.
void ModelInstance::Settle(Execution& execution, std::vector<size_t>& keep) {
  const double now = NowMs();
  std::lock_guard<std::mutex> lock(mutex_);
  const auto gone = [&](size_t index) {
    const bool expired = execution.batch.requests[index].deadline_ms <= now;
    if (!execution.cancelled[index] && !expired) return false;
    execution.result.outcomes[index].kind =
        execution.cancelled[index] ? OutcomeKind::kCancelled : OutcomeKind::kExpired;
    return true;
  };
  keep.erase(std::remove_if(keep.begin(), keep.end(), gone), keep.end());
}

void ModelInstance::RunLoop() {
  pthread_setname_np(pthread_self(), "sn-run");
  const FlushDenormals flush;
#ifdef _OPENMP
  omp_set_num_threads(session_->threads());
#endif
  std::unique_lock<std::mutex> lock(mutex_);
  while (const std::shared_ptr<Execution> execution = NextToRun(lock)) {
    lock.unlock();
    Run(execution);
    execution->result.scatter_end = NowMs();
    lock.lock();
    free_slots_.push_back(std::move(execution->slot));
    to_gather_.notify_one();
    lock.unlock();
    execution->done(std::move(execution->result));
    lock.lock();
  }
  free_slots_.clear();
  stopped_ = true;
  const std::vector<std::function<void()>> callbacks = std::move(on_stopped_);
  lock.unlock();
  for (const auto& callback : callbacks) callback();
}

void ModelInstance::Run(const std::shared_ptr<Execution>& execution) {
  std::vector<size_t> keep = execution->slot->live();
  Settle(*execution, keep);
  execution->slot->Compact(execution->batch, keep);
  execution->stage = RunStage::kRun;
  execution->result.run_start = execution->result.run_end = NowMs();
  if (keep.empty()) return;
  const Status status = GuardRun([&] { return RunSession(execution); });
  if (status.ok()) return;
  std::lock_guard<std::mutex> lock(mutex_);
  for (size_t index : keep) {
    Outcome& outcome = execution->result.outcomes[index];
    Fail(outcome, status);
    if (execution->cancelled[index]) outcome.kind = OutcomeKind::kCancelled;
  }
}

Status ModelInstance::RunSession(const std::shared_ptr<Execution>& execution) {
  BatchSlot& slot = *execution->slot;
  const std::vector<Ort::Value> inputs = slot.Values();
  Ort::IoBinding binding(session_->ort());
  for (size_t i = 0; i < inputs.size(); ++i) {
    binding.BindInput(session_->inputs()[i].name.c_str(), inputs[i]);
  }
  for (size_t output : execution->batch.outputs) {
    binding.BindOutput(session_->outputs()[output].name.c_str(), session_->memory_info());
  }
  if (!BeginRun(execution)) return Status::Ok();
  operator_failure = Status::Ok();
  size_t refused = 0;
  const Status status = GuardRun([&] {
    CancelScope scope(&cancel_run_);
    RunMemoryScope memory(session_->keeps_memory(), refused);
    binding.SynchronizeInputs();
    session_->ort().Run(*run_options_, binding);
    binding.SynchronizeOutputs();
    return Status::Ok();
  });
  execution->stage = RunStage::kScatter;
  execution->result.run_end = NowMs();
  execution->result.rows = slot.rows();
  const std::vector<bool> wanted = EndRun();
  if (!status.ok() && refused > 0) return RunTooLarge(refused);
  if (!status.ok() && !operator_failure.ok()) return operator_failure;
  SENTINODE_RETURN_IF_ERROR(status);
  return Scatter(session_, execution->batch, slot.live(), wanted, slot.rows(), inputs,
                 binding.GetOutputValues(), execution->result.outcomes);
}

// False where everybody has gone meanwhile: there is nothing to run.
bool ModelInstance::BeginRun(const std::shared_ptr<Execution>& execution) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (Abandoned(*execution)) return false;
  cancel_run_.store(false, std::memory_order_relaxed);
  run_options_->UnsetTerminate();
  running_ = execution;
  return true;
}

// Whose answers are still wanted.
std::vector<bool> ModelInstance::EndRun() {
  std::lock_guard<std::mutex> lock(mutex_);
  std::vector<bool> wanted = running_->cancelled;
  wanted.flip();
  running_.reset();
  return wanted;
}

}  // namespace sentinode
