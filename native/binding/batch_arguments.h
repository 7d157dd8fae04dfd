#pragma once

#include "binding/napi_setup.h"
#include "core/runtime/batch.h"

namespace sentinode {

struct BatchArgument {
  Batch batch;
  // Every view that the batch refers to: whoever holds this keeps their memory.
  Napi::Array views;
};

// Reads a NativeBatch. Only its form is checked here; core checks it against the session.
BatchArgument ReadBatch(const Napi::Object& batch);

}  // namespace sentinode
