#pragma once

#include <memory>

#include "binding/napi_setup.h"
#include "core/runtime/session.h"

namespace sentinode {

// NativeSession of src/engine/native.ts.
class SessionWrap : public Napi::ObjectWrap<SessionWrap> {
 public:
  static Napi::Function Define(Napi::Env env);
  static Napi::Object Wrap(Napi::Env env, std::shared_ptr<Session> session);

  explicit SessionWrap(const Napi::CallbackInfo& info);

 private:
  Napi::Value CreateInstance(const Napi::CallbackInfo& info);
  Napi::Value PlannedBytes(const Napi::CallbackInfo& info);
  Napi::Value OperatorReport(const Napi::CallbackInfo& info);
  void Dispose(const Napi::CallbackInfo& info);

  // The session, or DISPOSED.
  Session& Require(const Napi::CallbackInfo& info);

  std::shared_ptr<Session> session_;  // null once disposed
};

}  // namespace sentinode
