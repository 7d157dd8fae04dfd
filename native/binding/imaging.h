#pragma once

#include "binding/napi_setup.h"

namespace sentinode {

// preprocess(options): NativePreprocessing of src/engine/native.ts. Runs on a thread of libuv's
// pool.
Napi::Value PreprocessAsync(const Napi::CallbackInfo& info);

}  // namespace sentinode
