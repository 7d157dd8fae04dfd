// One copy of a model at work: a thread that runs batches and, where there is more than one slot, a
// thread that gathers the next meanwhile.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "core/base/status.h"
#include "core/runtime/batch.h"
#include "core/runtime/session.h"

namespace Ort {
struct RunOptions;
}

namespace sentinode {

class BatchSlot;

// A batch that was handed to an instance; opaque to everyone else.
struct Execution;

// Called on one of the instance's threads; it must not block or throw, nor call Join. The requests'
// inputs are not read any more.
using BatchDone = std::function<void(BatchResult)>;

// Every method may be called on any thread, none blocks but Join and the destructor.
class ModelInstance {
 public:
  // Starts the threads. `slots` >= 1. With two, gathering one batch overlaps computing another;
  // with one, the thread that runs a batch gathers it first: better where a run has every core
  // already, since a gathering thread would then only take one from it.
  ModelInstance(std::shared_ptr<Session> session, size_t slots);
  // Stops and joins.
  ~ModelInstance();
  ModelInstance(const ModelInstance&) = delete;
  ModelInstance& operator=(const ModelInstance&) = delete;

  // Queues a batch. The memory that its requests refer to must stay until `done`.
  // Errors, without a callback: INVALID_REQUEST where the batch contradicts itself or the session;
  // DISPOSED after Stop.
  Result<std::shared_ptr<Execution>> Execute(Batch batch, BatchDone done);

  // Nobody waits for request `index` any more: dropped if it has not been run; if it is running and
  // was the last one wanted, the run is terminated. An index out of range is ignored.
  void Cancel(const std::shared_ptr<Execution>& execution, size_t index);

  // Where a batch is now.
  static RunStage StageOf(const std::shared_ptr<Execution>& execution);

  // Cancels everything queued and running and lets the threads end. `stopped` is called on one of
  // them when the last batch has been answered; at once if that has happened. Idempotent (each
  // call's callback is called).
  void Stop(std::function<void()> stopped);

  // Waits for the threads to end; after Stop.
  void Join();

  const Session& session() const { return *session_; }

 private:
  void GatherLoop();
  void RunLoop();
  std::shared_ptr<Execution> GatherNext(std::unique_lock<std::mutex>& lock);
  std::shared_ptr<Execution> NextToRun(std::unique_lock<std::mutex>& lock);
  void Gather(Execution& execution);
  void Run(const std::shared_ptr<Execution>& execution);
  Status RunSession(const std::shared_ptr<Execution>& execution);
  bool BeginRun(const std::shared_ptr<Execution>& execution);
  std::vector<bool> EndRun();
  void Settle(Execution& execution, std::vector<size_t>& keep);
  bool Abandoned(const Execution& execution) const;
  void CancelLocked(Execution& execution, size_t index);

  const std::shared_ptr<Session> session_;
  const bool gathers_ahead_;
  const std::unique_ptr<Ort::RunOptions> run_options_;
  std::atomic<bool> cancel_run_{false};  // read by our own operators while they run

  std::mutex mutex_;
  std::condition_variable to_gather_;
  std::condition_variable to_run_;
  std::deque<std::shared_ptr<Execution>> queued_;
  std::deque<std::shared_ptr<Execution>> gathered_;
  std::shared_ptr<Execution> gathering_;
  std::shared_ptr<Execution> running_;
  std::vector<std::unique_ptr<BatchSlot>> free_slots_;
  std::vector<std::function<void()>> on_stopped_;
  bool stopping_ = false;
  bool gather_ended_ = false;
  bool stopped_ = false;

  std::mutex join_mutex_;
  std::thread gather_thread_;
  std::thread run_thread_;
};

}  // namespace sentinode
