// What ONNX Runtime says when it fails, made fit to be handed on. Its texts quote values of a
// request ("idx=9 must be within"), which the other callers of a batch would read and the log keep.
#pragma once

#include "core/base/guard.h"
#include "core/base/status.h"
#include "core/runtime/ort.h"

namespace sentinode {

// Of a run: the node and operator that failed and the kind of failure, nothing else of the text.
// MEMORY_LIMIT where memory ran out, else MODEL_RUN_FAILED.
Status RunFailure(const Ort::Exception& error);

// Guard for work that calls ONNX Runtime on a request's behalf.
template <typename Work>
Status GuardRun(const Work& work) {
  return Guard([&]() -> Status {
    try {
      return work();
    } catch (const Ort::Exception& error) {
      return RunFailure(error);
    }
  });
}

}  // namespace sentinode
