#pragma once

#include "binding/napi_setup.h"
#include "core/runtime/batch.h"

namespace sentinode {

// A NativeBatchResult; the outputs' memory goes to the buffers, which free it when they are
// collected.
Napi::Object ToObject(Napi::Env env, BatchResult result);

}  // namespace sentinode
