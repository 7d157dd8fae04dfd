// What one environment (the main thread's or a worker's) keeps: its classes and its dispatcher.
#pragma once

#include <memory>

#include "binding/dispatcher.h"
#include "binding/napi_setup.h"
#include "core/runtime/session.h"

namespace sentinode {

struct AddonData {
  static AddonData& Of(Napi::Env env) { return *env.GetInstanceData<AddonData>(); }

  std::shared_ptr<Dispatcher> dispatcher;
  Napi::FunctionReference session_class;
  Napi::FunctionReference instance_class;
};

// Objects are told apart by tags, so that a method called on another's object is an error and not a
// crash.
extern const napi_type_tag kSessionTag;
extern const napi_type_tag kInstanceTag;

void RequireTag(const Napi::CallbackInfo& info, const napi_type_tag& tag, const char* class_name);

}  // namespace sentinode
