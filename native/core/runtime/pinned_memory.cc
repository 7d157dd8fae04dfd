#include "core/runtime/pinned_memory.h"

#include "core/runtime/ort.h"

namespace sentinode {
namespace {

class CudaPinnedAllocator final : public Allocator {
 public:
  CudaPinnedAllocator(const Ort::Session& session, int device_id)
      : allocator_(session, PinnedMemoryInfo(device_id)) {}

  MemoryKind kind() const override { return MemoryKind::kPinned; }

  void* Allocate(size_t bytes) override {
    try {
      return allocator_.Alloc(bytes);  // whole pages: aligned well beyond kBatchAlignment
    } catch (const Ort::Exception&) {
      return nullptr;
    }
  }

  void Free(void* block) override { allocator_.Free(block); }

 private:
  Ort::Allocator allocator_;
};

}  // namespace

std::shared_ptr<Allocator> PinnedAllocator(const Ort::Session& session, int device_id) {
  return std::make_shared<CudaPinnedAllocator>(session, device_id);
}

Ort::MemoryInfo PinnedMemoryInfo(int device_id) {
  return Ort::MemoryInfo("CudaPinned", OrtDeviceAllocator, device_id, OrtMemTypeCPUOutput);
}

}  // namespace sentinode
