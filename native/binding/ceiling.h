// The machine's own speed, for benchmarks to compare with.
#pragma once

#include "binding/napi_setup.h"

namespace sentinode {

// matrixProduct(size, threads): seconds of one float32 matrix product size x size x size on oneDNN,
// on JavaScript's thread. Throws INVALID_OPTION; NOT_IMPLEMENTED in a build without oneDNN.
Napi::Value MatrixProductSeconds(const Napi::CallbackInfo& info);

}  // namespace sentinode
