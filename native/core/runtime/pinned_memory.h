// Host memory that a GPU reads and writes by itself.
#pragma once

#include <memory>

#include "core/base/memory.h"

namespace Ort {
struct MemoryInfo;
struct Session;
}  // namespace Ort

namespace sentinode {

// Page-locked memory of the session's CUDA device. The allocator belongs to the session and must
// not outlive it. Throws Ort::Exception where the session has no CUDA device.
std::shared_ptr<Allocator> PinnedAllocator(const Ort::Session& session, int device_id);

// How a binding names that memory to ONNX Runtime.
Ort::MemoryInfo PinnedMemoryInfo(int device_id);

}  // namespace sentinode
