// Status -> Error: what JavaScript catches has a `code` from src/errors.ts.
#pragma once

#include <string>

#include "binding/napi_setup.h"
#include "core/base/status.h"

namespace sentinode {

Napi::Error ToError(Napi::Env env, const Status& status);

// Throws (as C++ exception, which node-addon-api turns into JavaScript's) unless `status` is ok.
void ThrowIfError(Napi::Env env, const Status& status);

// For arguments of a wrong kind: a TypeError with code INVALID_OPTION.
[[noreturn]] void ThrowArgument(Napi::Env env, const std::string& message);

}  // namespace sentinode
