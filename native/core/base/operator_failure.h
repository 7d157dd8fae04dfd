// Why an operator of ours failed. ONNX Runtime hands on a message and no code, so the operator
// leaves the status on its thread for whoever called ONNX Runtime there (both run on one thread).
#pragma once

#include "core/base/status.h"

namespace sentinode {

// Ok where none has failed since whoever calls ONNX Runtime has set it so.
inline thread_local Status operator_failure;

}  // namespace sentinode
