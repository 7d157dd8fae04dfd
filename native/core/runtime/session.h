// A model loaded into ONNX Runtime on one execution provider, and what it expects and gives.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/data_type.h"
#include "core/base/memory.h"
#include "core/base/shape.h"
#include "core/base/status.h"
#include "core/runtime/providers.h"

namespace Ort {
struct MemoryInfo;
struct Session;
}  // namespace Ort

namespace sentinode {

class Operators;

struct TensorInfo {
  std::string name;
  DataType type = DataType::kFp32;
  Shape shape;  // -1 for a dynamic dimension
  std::vector<std::optional<std::string>> symbols;
};

enum class GraphOptimization { kDisabled, kBasic, kExtended, kAll };

struct SessionOptions {
  // Exactly one of the two; external data is found beside a path.
  std::string model_path;
  std::vector<uint8_t> model_bytes;
  ProviderOptions provider;
  int threads = 1;
  GraphOptimization graph_optimization = GraphOptimization::kAll;
  bool allow_spinning = true;
  bool cpu_memory_arena = true;
};

// Immutable once created; may be used by several instances and threads at once.
class Session {
 public:
  // Takes as long as loading and optimising the model does; any thread, one session at a time.
  // Errors: MODEL_INVALID, PROVIDER_UNAVAILABLE, INVALID_OPTION, RUNTIME_NOT_FOUND.
  static Result<std::shared_ptr<Session>> Create(SessionOptions options);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  const std::vector<TensorInfo>& inputs() const { return inputs_; }
  const std::vector<TensorInfo>& outputs() const { return outputs_; }
  // Threads of one run.
  int threads() const { return threads_; }
  // Whether memory of a run stays for the next.
  bool keeps_memory() const { return keeps_memory_; }
  // Where batches live: page-locked where the provider is a GPU, else the heap.
  const std::shared_ptr<Allocator>& allocator() const { return allocator_; }
  const Ort::MemoryInfo& memory_info() const { return *memory_info_; }
  Ort::Session& ort() const { return *ort_; }

  // Of the regions of our own operators: bytes that a run of each needs, and a JSON array with the
  // report of each (core/ops/register.h). 0 and "[]" without any.
  size_t planned_bytes() const;
  std::string OperatorReport() const;

 private:
  Session();
  Status Load(const SessionOptions& options);
  Status ReadSignature();

  std::shared_ptr<Operators> operators_;  // outlives the session
  std::unique_ptr<Ort::Session> ort_;
  std::unique_ptr<Ort::MemoryInfo> memory_info_;
  std::shared_ptr<Allocator> allocator_;
  std::vector<TensorInfo> inputs_;
  std::vector<TensorInfo> outputs_;
  int threads_ = 1;
  bool keeps_memory_ = true;
};

}  // namespace sentinode
