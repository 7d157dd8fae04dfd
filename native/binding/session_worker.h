#pragma once

#include "binding/napi_setup.h"
#include "core/runtime/session.h"

namespace sentinode {

// Reads the property `provider`. Throws on what does not fit.
Provider ReadProvider(const Napi::Object& options);

// Reads NativeSessionOptions, copying what it needs. Throws on what does not fit.
SessionOptions ReadSessionOptions(const Napi::Object& options);

// Loads a model on a thread of libuv's pool; the promise gives a NativeSession.
Napi::Promise CreateSessionAsync(Napi::Env env, SessionOptions options);

}  // namespace sentinode
