// Exceptions as a status: nothing may leave a thread.
#pragma once

#include <exception>
#include <new>

#include "core/base/status.h"

namespace sentinode {

// Runs `work`, which returns a status, and turns whatever it throws into one: MEMORY_LIMIT or
// MODEL_RUN_FAILED.
template <typename Work>
Status Guard(const Work& work) {
  try {
    return work();
  } catch (const std::bad_alloc&) {
    return {"MEMORY_LIMIT", "the machine has no memory left for this batch"};
  } catch (const std::exception& error) {
    return {"MODEL_RUN_FAILED", error.what()};
  } catch (...) {
    return {"MODEL_RUN_FAILED", "an exception of unknown type"};
  }
}

}  // namespace sentinode
