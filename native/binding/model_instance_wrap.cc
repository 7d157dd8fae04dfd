#include "binding/model_instance_wrap.h"

#include <utility>

#include "binding/addon_data.h"
#include "binding/arguments.h"
#include "binding/batch_arguments.h"
#include "binding/errors.h"
#include "binding/results.h"

namespace sentinode {

Napi::Function ModelInstanceWrap::Define(Napi::Env env) {
  return DefineClass(env, "NativeInstance",
                     {InstanceMethod<&ModelInstanceWrap::Execute>("execute"),
                      InstanceMethod<&ModelInstanceWrap::Dispose>("dispose")});
}

Napi::Object ModelInstanceWrap::Wrap(Napi::Env env, std::shared_ptr<ModelInstance> instance) {
  const auto external = Napi::External<std::shared_ptr<ModelInstance>>::New(env, &instance);
  return AddonData::Of(env).instance_class.New({external});
}

ModelInstanceWrap::ModelInstanceWrap(const Napi::CallbackInfo& info)
    : ObjectWrap(info), env_(info.Env()), dispatcher_(AddonData::Of(info.Env()).dispatcher) {
  if (!info[0].IsExternal()) ThrowArgument(info.Env(), "NativeInstance is made by createInstance");
  info.This().As<Napi::Object>().TypeTag(&kInstanceTag);
  instance_ = *info[0].As<Napi::External<std::shared_ptr<ModelInstance>>>().Data();
  // Last: a constructor that throws after it would leave a hook to a dead object.
  hooked_ = napi_add_env_cleanup_hook(env_, CleanUp, this) == napi_ok;
}

ModelInstanceWrap::~ModelInstanceWrap() {
  if (hooked_) napi_remove_env_cleanup_hook(env_, CleanUp, this);
}

// The threads read memory of JavaScript and call its dispatcher, so they end before either does.
void ModelInstanceWrap::CleanUp(void* data) {
  auto* self = static_cast<ModelInstanceWrap*>(data);
  self->hooked_ = false;
  self->instance_.reset();
}

void ModelInstanceWrap::Begin(Napi::Env env) {
  Ref();
  dispatcher_->Hold(env);
}

void ModelInstanceWrap::End(Napi::Env env) {
  dispatcher_->Release(env);
  Unref();
}

Napi::Value ModelInstanceWrap::Execute(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  RequireTag(info, kInstanceTag, "NativeInstance");
  BatchArgument argument = ReadBatch(RequireObject(info, 0, "batch"));
  if (!instance_) ThrowIfError(env, {"DISPOSED", "the instance was disposed"});
  const uint64_t id = next_id_++;
  // Events are run by this thread, so none can come before the batch is noted below.
  auto execution = instance_->Execute(std::move(argument.batch), CallbacksFor(id));
  ThrowIfError(env, execution.status());
  Pending pending{Napi::Promise::Deferred::New(env), Napi::Persistent(argument.views)};
  Napi::Object result = Napi::Object::New(env);
  result["result"] = pending.deferred.Promise();
  result["cancel"] = CancelFunction(env, execution.value());
  pending_.emplace(id, std::move(pending));
  Begin(env);
  return result;
}

BatchCallbacks ModelInstanceWrap::CallbacksFor(uint64_t id) {
  BatchCallbacks callbacks;
  callbacks.gathered = [this, id] {
    dispatcher_->Post([this, id](Napi::Env) { pending_.at(id).views.Reset(); });
  };
  callbacks.done = [this, id](BatchResult result) {
    auto shared = std::make_shared<BatchResult>(std::move(result));
    dispatcher_->Post([this, id, shared](Napi::Env env) { Settle(env, id, std::move(*shared)); });
  };
  return callbacks;
}

void ModelInstanceWrap::Settle(Napi::Env env, uint64_t id, BatchResult result) {
  auto node = pending_.extract(id);
  node.mapped().deferred.Resolve(ToObject(env, std::move(result)));
  End(env);
}

Napi::Function ModelInstanceWrap::CancelFunction(Napi::Env env,
                                                 std::shared_ptr<Execution> execution) {
  std::weak_ptr<ModelInstance> weak = instance_;
  return Napi::Function::New(
      env,
      [weak, execution = std::move(execution)](const Napi::CallbackInfo& info) {
        if (!info[0].IsNumber()) {
          ThrowArgument(info.Env(), "index: expected a number, found " + KindOf(info[0]));
        }
        const double index = info[0].As<Napi::Number>().DoubleValue();
        const std::shared_ptr<ModelInstance> instance = weak.lock();
        if (instance && index >= 0) instance->Cancel(execution, static_cast<size_t>(index));
      },
      "cancel");
}

Napi::Value ModelInstanceWrap::Dispose(const Napi::CallbackInfo& info) {
  RequireTag(info, kInstanceTag, "NativeInstance");
  const Napi::Env env = info.Env();
  const auto deferred = Napi::Promise::Deferred::New(env);
  if (!instance_) {
    deferred.Resolve(env.Undefined());
    return deferred.Promise();
  }
  Begin(env);
  instance_->Stop([this, deferred] {
    dispatcher_->Post([this, deferred](Napi::Env event_env) {
      instance_.reset();
      deferred.Resolve(event_env.Undefined());
      End(event_env);
    });
  });
  return deferred.Promise();
}

}  // namespace sentinode
