#include "binding/session_wrap.h"

#include <string>
#include <utility>
#include <vector>

#include "binding/addon_data.h"
#include "binding/arguments.h"
#include "binding/errors.h"
#include "binding/model_instance_wrap.h"

namespace sentinode {
namespace {

constexpr int64_t kMaxSlots = 8;

Napi::Object ToObject(Napi::Env env, const TensorInfo& info) {
  Napi::Array shape = Napi::Array::New(env, info.shape.size());
  Napi::Array symbols = Napi::Array::New(env, info.shape.size());
  for (uint32_t i = 0; i < info.shape.size(); ++i) {
    shape[i] = Napi::Number::New(env, static_cast<double>(info.shape[i]));
    const std::optional<std::string>& symbol = info.symbols[i];
    symbols[i] = symbol ? Napi::String::New(env, *symbol).As<Napi::Value>() : env.Null();
  }
  Napi::Object object = Napi::Object::New(env);
  object["name"] = Napi::String::New(env, info.name);
  object["dataType"] = Napi::String::New(env, std::string(DataTypeName(info.type)));
  object["shape"] = shape;
  object["symbols"] = symbols;
  return object;
}

Napi::Array ToArray(Napi::Env env, const std::vector<TensorInfo>& infos) {
  Napi::Array array = Napi::Array::New(env, infos.size());
  for (uint32_t i = 0; i < infos.size(); ++i) array[i] = ToObject(env, infos[i]);
  return array;
}

}  // namespace

Napi::Function SessionWrap::Define(Napi::Env env) {
  return DefineClass(env, "NativeSession",
                     {InstanceMethod<&SessionWrap::CreateInstance>("createInstance"),
                      InstanceMethod<&SessionWrap::PlannedBytes>("plannedBytes"),
                      InstanceMethod<&SessionWrap::OperatorReport>("operatorReport"),
                      InstanceMethod<&SessionWrap::Dispose>("dispose")});
}

Napi::Object SessionWrap::Wrap(Napi::Env env, std::shared_ptr<Session> session) {
  // Whoever calls the class from JavaScript has no such argument.
  const auto external = Napi::External<std::shared_ptr<Session>>::New(env, &session);
  return AddonData::Of(env).session_class.New({external});
}

SessionWrap::SessionWrap(const Napi::CallbackInfo& info) : ObjectWrap(info) {
  if (!info[0].IsExternal()) ThrowArgument(info.Env(), "NativeSession is made by createSession");
  session_ = *info[0].As<Napi::External<std::shared_ptr<Session>>>().Data();
  Napi::Object self = info.This().As<Napi::Object>();
  self.TypeTag(&kSessionTag);
  self["inputs"] = ToArray(info.Env(), session_->inputs());
  self["outputs"] = ToArray(info.Env(), session_->outputs());
}

Session& SessionWrap::Require(const Napi::CallbackInfo& info) {
  RequireTag(info, kSessionTag, "NativeSession");
  if (!session_) ThrowIfError(info.Env(), {"DISPOSED", "the session was disposed"});
  return *session_;
}

Napi::Value SessionWrap::CreateInstance(const Napi::CallbackInfo& info) {
  Require(info);
  const Napi::Object options = RequireObject(info, 0, "options");
  const auto slots = static_cast<size_t>(GetInteger(options, "slots", 1, kMaxSlots));
  const Napi::Function done = RequireFunction(info, 1, "done");
  return ModelInstanceWrap::Wrap(info.Env(), std::make_shared<ModelInstance>(session_, slots),
                                 done);
}

Napi::Value SessionWrap::PlannedBytes(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(Require(info).planned_bytes()));
}

Napi::Value SessionWrap::OperatorReport(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), Require(info).OperatorReport());
}

void SessionWrap::Dispose(const Napi::CallbackInfo& info) {
  RequireTag(info, kSessionTag, "NativeSession");
  session_.reset();
}

}  // namespace sentinode
