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
  // `done` is called with a batch's id and its result.
  static Napi::Object Wrap(Napi::Env env, std::shared_ptr<ModelInstance> instance,
                           Napi::Function done);

  explicit ModelInstanceWrap(const Napi::CallbackInfo& info);
  ~ModelInstanceWrap() override;

 private:
  struct Pending {
    std::shared_ptr<Execution> execution;
    Napi::Reference<Napi::Array> views;  // read by the instance's threads until the answer
  };

  Napi::Value Execute(const Napi::CallbackInfo& info);
  Napi::Value Dispose(const Napi::CallbackInfo& info);
  void Cancel(const Napi::CallbackInfo& info);
  Napi::Value StageOf(const Napi::CallbackInfo& info);
  void Settle(Napi::Env env, double id, BatchResult result);
  void Begin(Napi::Env env);
  void End(Napi::Env env);
  static void CleanUp(void* self);

  const napi_env env_;
  const std::shared_ptr<Dispatcher> dispatcher_;
  std::shared_ptr<ModelInstance> instance_;  // null once disposed
  Napi::FunctionReference done_;
  std::unordered_map<double, Pending> pending_;  // by id, a number as JavaScript has it
  double next_id_ = 0;
  bool hooked_ = false;
};

}  // namespace sentinode
