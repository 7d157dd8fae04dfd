#pragma once

#include "binding/napi_setup.h"

namespace sentinode {

// exitAfter of src/engine/native.ts.
void ExitAfter(const Napi::CallbackInfo& info);

}  // namespace sentinode
