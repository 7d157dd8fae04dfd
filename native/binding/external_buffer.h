#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "binding/napi_setup.h"

namespace sentinode {

// A Buffer over `bytes` bytes at `memory`, which it holds until it is collected. JavaScript's
// thread. Throws Napi::Error where Node refuses (more than buffer.constants.MAX_LENGTH, no external
// memory allowed); the memory has then been let go, once.
Napi::Buffer<uint8_t> ExternalBuffer(Napi::Env env, std::shared_ptr<const uint8_t> memory,
                                     size_t bytes);

}  // namespace sentinode
