#include "binding/session_worker.h"

#include <limits>
#include <memory>
#include <utility>

#include "binding/arguments.h"
#include "binding/errors.h"
#include "binding/session_wrap.h"

namespace sentinode {
namespace {

constexpr int64_t kMaxThreads = 1024;

class SessionWorker final : public Napi::AsyncWorker {
 public:
  SessionWorker(Napi::Env env, SessionOptions options)
      : AsyncWorker(env, "sentinode.createSession"),
        deferred_(Napi::Promise::Deferred::New(env)),
        options_(std::move(options)) {}

  Napi::Promise promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override { result_ = Session::Create(std::move(options_)); }

  void OnOK() override {
    if (result_.ok()) {
      deferred_.Resolve(SessionWrap::Wrap(Env(), std::move(result_.value())));
    } else {
      deferred_.Reject(ToError(Env(), result_.status()).Value());
    }
  }

  void OnError(const Napi::Error& error) override { deferred_.Reject(error.Value()); }

 private:
  Napi::Promise::Deferred deferred_;
  SessionOptions options_;
  Result<std::shared_ptr<Session>> result_{Status("INTERNAL", "the worker did not run")};
};

}  // namespace

Provider ReadProvider(const Napi::Object& options) {
  return GetChoice<Provider>(
      options, "provider",
      {{"cpu", Provider::kCpu}, {"cuda", Provider::kCuda}, {"tensorrt", Provider::kTensorRt}});
}

SessionOptions ReadSessionOptions(const Napi::Object& options) {
  SessionOptions result;
  result.model_path = GetStringOrNull(options, "modelPath").value_or("");
  if (const auto bytes = GetBytesOrNull(options, "modelBytes")) {
    result.model_bytes.assign(bytes->Data(), bytes->Data() + bytes->ByteLength());
  }
  result.provider.provider = ReadProvider(options);
  result.provider.device_id =
      static_cast<int>(GetInteger(options, "deviceId", 0, std::numeric_limits<int>::max()));
  result.provider.options = GetStringMap(options, "providerOptions");
  result.threads = static_cast<int>(GetInteger(options, "threads", 1, kMaxThreads));
  result.graph_optimization =
      GetChoice<GraphOptimization>(options, "graphOptimization",
                                   {{"disabled", GraphOptimization::kDisabled},
                                    {"basic", GraphOptimization::kBasic},
                                    {"extended", GraphOptimization::kExtended},
                                    {"all", GraphOptimization::kAll}});
  result.allow_spinning = GetBoolean(options, "allowSpinning");
  result.cpu_memory_arena = GetBoolean(options, "cpuMemoryArena");
  return result;
}

Napi::Promise CreateSessionAsync(Napi::Env env, SessionOptions options) {
  auto worker = std::make_unique<SessionWorker>(env, std::move(options));
  const Napi::Promise promise = worker->promise();
  worker->Queue();
  worker.release();  // deletes itself when it has settled the promise
  return promise;
}

}  // namespace sentinode
