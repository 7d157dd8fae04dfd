#pragma once

#include "binding/napi_setup.h"
#include "core/runtime/batch.h"

namespace sentinode {

// A NativeBatchResult; buffers hold the outputs' memory until they are collected.
Napi::Object ToObject(Napi::Env env, BatchResult result);

// As NativeInstance.stageOf names it.
const char* StageName(RunStage stage);

}  // namespace sentinode
