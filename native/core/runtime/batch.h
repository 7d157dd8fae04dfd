// A batch on its way in, and what became of each of its requests.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <vector>

#include "core/base/shape.h"
#include "core/base/status.h"

namespace sentinode {

// Memory of someone else, need not be aligned.
struct ByteView {
  const uint8_t* data = nullptr;
  size_t size = 0;
};

struct Request {
  // One per model input: row-major little-endian elements; for BYTES each a uint32 length and its
  // bytes.
  std::vector<ByteView> inputs;
  int64_t rows = 1;
  double deadline_ms = 0;  // of NowMs(); infinity for none
};

struct Batch {
  std::vector<Request> requests;
  std::vector<Shape> shapes;  // of each input, all rows together
  bool batched = false;       // dimension 0 of inputs and outputs is the sum of rows
  std::vector<size_t> outputs;
};

struct Output {
  Shape shape;
  // Row-major little-endian elements, as in Request. Not to be written to: it may be the memory of
  // the run itself, shared with the other requests of the batch. Any thread may let go of it.
  std::shared_ptr<const uint8_t> data;
  size_t size = 0;
};

// Memory for an output of its own, not initialised.
inline std::shared_ptr<uint8_t> NewOutputData(size_t size) {
  std::shared_ptr<uint8_t> data(static_cast<uint8_t*>(std::malloc(size + 1)), std::free);
  if (data == nullptr) throw std::bad_alloc();
  return data;
}

// Where a batch is; kWaiting is before and between the others.
enum class RunStage { kWaiting, kGather, kRun, kScatter };

enum class OutcomeKind { kOk, kExpired, kCancelled, kFailed };

struct Outcome {
  OutcomeKind kind = OutcomeKind::kCancelled;
  std::vector<Output> outputs;  // kOk: one per output asked for
  Status status;                // kFailed
};

struct BatchResult {
  std::vector<Outcome> outcomes;  // one per request, in order
  int64_t rows = 0;               // that were run
  double gather_start = 0, gather_end = 0, run_start = 0, run_end = 0, scatter_end = 0;
};

}  // namespace sentinode
