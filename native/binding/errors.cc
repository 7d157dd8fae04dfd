#include "binding/errors.h"

namespace sentinode {

Napi::Error ToError(Napi::Env env, const Status& status) {
  Napi::Error error = Napi::Error::New(env, status.message());
  error.Set("code", Napi::String::New(env, status.code()));
  return error;
}

void ThrowIfError(Napi::Env env, const Status& status) {
  if (!status.ok()) throw ToError(env, status);
}

void ThrowArgument(Napi::Env env, const std::string& message) {
  Napi::TypeError error = Napi::TypeError::New(env, message);
  error.Set("code", Napi::String::New(env, "INVALID_OPTION"));
  throw error;
}

}  // namespace sentinode
