// One copy of a model at work: a thread that gathers batches into slots and a thread that runs
// them, so that gathering one overlaps computing another.
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

// Called on the instance's threads; they must not block or throw, nor call Join.
struct BatchCallbacks {
  // The requests' inputs are not read any more. Once per batch, before `done`.
  std::function<void()> gathered;
  std::function<void(BatchResult)> done;
};

// Every method may be called on any thread, none blocks but Join and the destructor.
class ModelInstance {
 public:
  // Starts the threads. `slots` >= 1, two for double buffering.
  ModelInstance(std::shared_ptr<Session> session, size_t slots);
  // Stops and joins.
  ~ModelInstance();
  ModelInstance(const ModelInstance&) = delete;
  ModelInstance& operator=(const ModelInstance&) = delete;

  // Queues a batch. The memory that its requests refer to must stay until `gathered`.
  // Errors, without a callback: INVALID_REQUEST where the batch contradicts itself or the session;
  // DISPOSED after Stop.
  Result<std::shared_ptr<Execution>> Execute(Batch batch, BatchCallbacks callbacks);

  // Nobody waits for request `index` any more: dropped if it has not been run; if it is running and
  // was the last one wanted, the run is terminated. An index out of range is ignored.
  void Cancel(const std::shared_ptr<Execution>& execution, size_t index);

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
  void Gather(Execution& execution);
  void Run(const std::shared_ptr<Execution>& execution);
  Status RunSession(const std::shared_ptr<Execution>& execution);
  bool BeginRun(const std::shared_ptr<Execution>& execution);
  std::vector<bool> EndRun();
  void Settle(Execution& execution, std::vector<size_t>& keep);
  bool Abandoned(const Execution& execution) const;
  void CancelLocked(Execution& execution, size_t index);

  const std::shared_ptr<Session> session_;
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
