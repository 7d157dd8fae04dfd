#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>

#include "binding/dispatcher.h"
#include "binding/napi_setup.h"
#include "core/runtime/model_instance.h"

namespace sentinode {

// NativeInstance of src/engine/native.ts. While a batch is pending it refers to itself, so it is
// only collected when its threads are idle; when the environment goes away first, a cleanup hook
// stops them.
class ModelInstanceWrap : public Napi::ObjectWrap<ModelInstanceWrap> {
 public:
  static Napi::Function Define(Napi::Env env);
  static Napi::Object Wrap(Napi::Env env, std::shared_ptr<ModelInstance> instance);

  explicit ModelInstanceWrap(const Napi::CallbackInfo& info);
  ~ModelInstanceWrap() override;

 private:
  struct Pending {
    Napi::Promise::Deferred deferred;
    Napi::Reference<Napi::Array> views;  // until the batch has been gathered
  };

  Napi::Value Execute(const Napi::CallbackInfo& info);
  Napi::Value Dispose(const Napi::CallbackInfo& info);
  Napi::Function CancelFunction(Napi::Env env, std::shared_ptr<Execution> execution);
  BatchCallbacks CallbacksFor(uint64_t id);
  void Settle(Napi::Env env, uint64_t id, BatchResult result);
  void Begin(Napi::Env env);
  void End(Napi::Env env);
  static void CleanUp(void* self);

  const napi_env env_;
  const std::shared_ptr<Dispatcher> dispatcher_;
  std::shared_ptr<ModelInstance> instance_;  // null once disposed
  std::unordered_map<uint64_t, Pending> pending_;
  uint64_t next_id_ = 0;
  bool hooked_ = false;
};

}  // namespace sentinode
