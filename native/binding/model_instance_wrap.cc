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
                      InstanceMethod<&ModelInstanceWrap::Cancel>("cancel"),
                      InstanceMethod<&ModelInstanceWrap::StageOf>("stageOf"),
                      InstanceMethod<&ModelInstanceWrap::Dispose>("dispose")});
}

Napi::Object ModelInstanceWrap::Wrap(Napi::Env env, std::shared_ptr<ModelInstance> instance,
                                     Napi::Function done) {
  const auto external = Napi::External<std::shared_ptr<ModelInstance>>::New(env, &instance);
  return AddonData::Of(env).instance_class.New({external, done});
}

ModelInstanceWrap::ModelInstanceWrap(const Napi::CallbackInfo& info)
    : ObjectWrap(info), env_(info.Env()), dispatcher_(AddonData::Of(info.Env()).dispatcher) {
  if (!info[0].IsExternal()) ThrowArgument(info.Env(), "NativeInstance is made by createInstance");
  info.This().As<Napi::Object>().TypeTag(&kInstanceTag);
  instance_ = *info[0].As<Napi::External<std::shared_ptr<ModelInstance>>>().Data();
  done_ = Napi::Persistent(info[1].As<Napi::Function>());
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
  const double id = next_id_++;
  // Before anybody reads them: what fails here must not leave a run without its inputs.
  pending_.emplace(id, Pending{nullptr, Napi::Persistent(argument.views)});
  // Events are run by this thread, so none can come before the batch is noted below.
  auto execution = instance_->Execute(std::move(argument.batch), [this, id](BatchResult result) {
    auto shared = std::make_shared<BatchResult>(std::move(result));
    dispatcher_->Post(
        [this, id, shared](Napi::Env event) { Settle(event, id, std::move(*shared)); });
  });
  if (!execution.ok()) pending_.erase(id);
  ThrowIfError(env, execution.status());
  pending_[id].execution = std::move(execution.value());
  Begin(env);
  return Napi::Number::New(env, id);
}

void ModelInstanceWrap::Settle(Napi::Env env, double id, BatchResult result) {
  pending_.erase(id);
  End(env);
  done_.Call({Napi::Number::New(env, id), ToObject(env, std::move(result))});
}

void ModelInstanceWrap::Cancel(const Napi::CallbackInfo& info) {
  RequireTag(info, kInstanceTag, "NativeInstance");
  const double id = RequireNumber(info, 0, "id");
  const double index = RequireNumber(info, 1, "index");
  const auto found = pending_.find(id);
  if (found == pending_.end() || !instance_ || index < 0) return;
  instance_->Cancel(found->second.execution, static_cast<size_t>(index));
}

Napi::Value ModelInstanceWrap::StageOf(const Napi::CallbackInfo& info) {
  RequireTag(info, kInstanceTag, "NativeInstance");
  const auto found = pending_.find(RequireNumber(info, 0, "id"));
  const RunStage stage = found == pending_.end() ? RunStage::kWaiting
                                                 : ModelInstance::StageOf(found->second.execution);
  return Napi::String::New(info.Env(), StageName(stage));
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
