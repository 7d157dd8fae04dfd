// The memory of one batch: the inputs of its requests gathered row by row, ready to be bound.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/base/memory.h"
#include "core/base/status.h"
#include "core/runtime/batch.h"
#include "core/runtime/session.h"

namespace Ort {
struct Value;
}

namespace sentinode {

// Reused from batch to batch; grows to the largest. One thread at a time.
class BatchSlot {
 public:
  explicit BatchSlot(std::shared_ptr<const Session> session);
  ~BatchSlot();

  void Clear();

  // Makes room in an empty slot for `batch`, whose shapes have been validated.
  // Errors: MEMORY_LIMIT.
  Status Prepare(const Batch& batch);

  // Takes the inputs of request `index`: copies them, or refers to them where the batch is this one
  // request and they can be read where they lie. Errors: INVALID_REQUEST where a byte count does
  // not fit the shape, MEMORY_LIMIT where the model says that the outputs will be too large; the
  // slot is then as it was.
  Status Append(const Batch& batch, size_t index);

  // Takes out the requests that are not in `keep` (a subset of live(), in its order) and closes the
  // gaps.
  void Compact(const Batch& batch, const std::vector<size_t>& keep);

  // Indices of the requests that are in the slot, in the order of their rows.
  const std::vector<size_t>& live() const { return live_; }
  int64_t rows() const { return rows_; }

  // Tensors over the slot's memory (or the only request's), one per model input. They must not
  // outlive the slot's contents.
  std::vector<Ort::Value> Values();

 private:
  struct Input {
    DataType type;
    Shape shape;          // of the batch; dimension 0 is set when tensors are made
    size_t row_elements;  // per row, or of the whole where not batched
    size_t row_bytes;     // 0 for BYTES
    Buffer buffer;
    uint8_t* data = nullptr;           // the buffer's, or the only request's own
    std::vector<std::string> strings;  // BYTES only
  };

  bool CanRefer(const Input& input, const Batch& batch, ByteView bytes) const;

  std::shared_ptr<const Session> session_;
  std::vector<Input> inputs_;
  std::vector<size_t> live_;
  int64_t rows_ = 0;
  bool batched_ = false;
};

// What Prepare relies on: one shape per input, sizes that do not overflow, rows that add up,
// outputs that exist. Errors: INVALID_REQUEST.
Status ValidateBatch(const Session& session, const Batch& batch);

}  // namespace sentinode
