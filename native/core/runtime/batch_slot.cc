#include "core/runtime/batch_slot.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/runtime/ort.h"
#include "core/runtime/ort_types.h"
#include "core/runtime/outputs.h"
#include "core/runtime/strings.h"

namespace sentinode {
namespace {

Status Invalid(std::string message) { return {"INVALID_REQUEST", std::move(message)}; }

std::string Expected(size_t expected, size_t found) {
  return "expected " + std::to_string(expected) + ", found " + std::to_string(found);
}

// The wire says a BOOL is true where its byte is not 0; C++ knows 0 and 1 only.
void CopyBooleans(uint8_t* to, ByteView from) {
  for (size_t i = 0; i < from.size; ++i) to[i] = from.data[i] != 0;
}

Ort::Value MakeStrings(const std::vector<std::string>& strings, const Shape& shape) {
  Ort::AllocatorWithDefaultOptions allocator;
  Ort::Value value = Ort::Value::CreateTensor(allocator, shape.data(), shape.size(),
                                              ONNX_TENSOR_ELEMENT_DATA_TYPE_STRING);
  for (size_t i = 0; i < strings.size(); ++i) {
    char* element = value.GetResizedStringTensorElementBuffer(i, strings[i].size());
    std::memcpy(element, strings[i].data(), strings[i].size());
  }
  return value;
}

}  // namespace

Status ValidateBatch(const Session& session, const Batch& batch) {
  const size_t input_count = session.inputs().size();
  if (batch.requests.empty()) return Invalid("a batch needs a request");
  if (!batch.batched && batch.requests.size() != 1) {
    return Invalid("requests of a model without a batch axis: " +
                   Expected(1, batch.requests.size()));
  }
  int64_t rows = 0;
  for (const Request& request : batch.requests) {
    if (request.inputs.size() != input_count) {
      return Invalid("inputs of a request: " + Expected(input_count, request.inputs.size()));
    }
    if (request.rows < 1 || __builtin_add_overflow(rows, request.rows, &rows)) {
      return Invalid("rows of a request: expected 1 or more, found " +
                     std::to_string(request.rows));
    }
  }
  if (batch.shapes.size() != input_count) {
    return Invalid("shapes: " + Expected(input_count, batch.shapes.size()));
  }
  for (size_t i = 0; i < input_count; ++i) {
    const Shape& shape = batch.shapes[i];
    const std::string where = "shape of input '" + session.inputs()[i].name + "': ";
    if (!ByteCount(shape, std::max<size_t>(DataTypeSize(session.inputs()[i].type), 1))) {
      return Invalid(where + ToString(shape) + " is negative or too large");
    }
    if (batch.batched && (shape.empty() || shape[0] != rows)) {
      return Invalid(where + "expected " + std::to_string(rows) + " rows, found " +
                     ToString(shape));
    }
  }
  if (batch.outputs.empty()) return Invalid("a batch needs an output");
  for (size_t output : batch.outputs) {
    if (output >= session.outputs().size()) {
      return Invalid("the model has " + std::to_string(session.outputs().size()) +
                     " outputs, found index " + std::to_string(output));
    }
  }
  return Status::Ok();
}

BatchSlot::BatchSlot(std::shared_ptr<const Session> session) : session_(std::move(session)) {
  for (const TensorInfo& info : session_->inputs())
    inputs_.push_back({info.type, {}, 0, 0, {}, nullptr, {}});
}

BatchSlot::~BatchSlot() = default;

void BatchSlot::Clear() {
  live_.clear();
  rows_ = 0;
  for (Input& input : inputs_) input.strings.clear();
}

Status BatchSlot::Prepare(const Batch& batch) {
  batched_ = batch.batched;
  for (size_t i = 0; i < inputs_.size(); ++i) {
    Input& input = inputs_[i];
    input.shape = batch.shapes[i];
    Shape row = input.shape;
    if (batched_) row[0] = 1;
    input.row_elements = static_cast<size_t>(*ElementCount(row));
    input.row_bytes = input.row_elements * DataTypeSize(input.type);
    if (input.type == DataType::kBytes) continue;
    const ByteView first = batch.requests[0].inputs[i];
    if (CanRefer(input, batch, first)) {
      input.data = const_cast<uint8_t*>(first.data);  // ONNX Runtime does not write to inputs
      continue;
    }
    // A tensor without elements still needs an address.
    const size_t bytes = *ByteCount(input.shape, DataTypeSize(input.type));
    SENTINODE_RETURN_IF_ERROR(
        input.buffer.Grow(session_->allocator(), std::max(bytes, kBatchAlignment)));
    input.data = input.buffer.data();
  }
  return Status::Ok();
}

// A copy would cost more than the run of a small network. Device transfers want page-locked memory,
// booleans have to be normalised, and a message from the wire seldom lies aligned.
bool BatchSlot::CanRefer(const Input& input, const Batch& batch, ByteView bytes) const {
  return batch.requests.size() == 1 && bytes.size != 0 && input.type != DataType::kBool &&
         session_->allocator()->kind() == MemoryKind::kPageable &&
         reinterpret_cast<uintptr_t>(bytes.data) % DataTypeSize(input.type) == 0;
}

Status BatchSlot::Append(const Batch& batch, size_t index) {
  SENTINODE_RETURN_IF_ERROR(CheckAnswerSize(*session_, batch, index));
  const Request& request = batch.requests[index];
  const auto rows = static_cast<size_t>(batched_ ? request.rows : 1);
  for (size_t i = 0; i < inputs_.size(); ++i) {
    const Input& input = inputs_[i];
    const ByteView bytes = request.inputs[i];
    Status status;
    if (input.type == DataType::kBytes) {
      status = CheckStrings(bytes, rows * input.row_elements);
    } else if (bytes.size != rows * input.row_bytes) {
      status = Invalid("bytes: " + Expected(rows * input.row_bytes, bytes.size));
    }
    if (!status.ok()) {
      return Invalid("input '" + session_->inputs()[i].name + "': " + status.message());
    }
  }
  for (size_t i = 0; i < inputs_.size(); ++i) {
    Input& input = inputs_[i];
    const ByteView bytes = request.inputs[i];
    if (bytes.size == 0 || input.data == bytes.data) continue;
    uint8_t* const to = input.data + static_cast<size_t>(rows_) * input.row_bytes;
    if (input.type == DataType::kBytes) {
      AppendStrings(bytes, input.strings);
    } else if (input.type == DataType::kBool) {
      CopyBooleans(to, bytes);
    } else {
      std::memcpy(to, bytes.data, bytes.size);
    }
  }
  live_.push_back(index);
  rows_ += static_cast<int64_t>(rows);
  return Status::Ok();
}

void BatchSlot::Compact(const Batch& batch, const std::vector<size_t>& keep) {
  if (keep.size() == live_.size()) return;
  size_t from = 0, to = 0, next = 0;
  for (size_t index : live_) {
    const auto rows = static_cast<size_t>(batched_ ? batch.requests[index].rows : 1);
    if (next < keep.size() && keep[next] == index) {
      for (Input& input : inputs_) {
        if (from == to) break;
        if (input.type == DataType::kBytes) {
          const auto begin = input.strings.begin();
          const auto per_row = static_cast<std::ptrdiff_t>(input.row_elements);
          const auto source = begin + static_cast<std::ptrdiff_t>(from) * per_row;
          std::move(source, source + static_cast<std::ptrdiff_t>(rows) * per_row,
                    begin + static_cast<std::ptrdiff_t>(to) * per_row);
        } else {
          std::memmove(input.data + to * input.row_bytes, input.data + from * input.row_bytes,
                       rows * input.row_bytes);
        }
      }
      to += rows;
      ++next;
    }
    from += rows;
  }
  live_ = keep;
  rows_ = static_cast<int64_t>(to);
  for (Input& input : inputs_) {
    if (input.type == DataType::kBytes) input.strings.resize(to * input.row_elements);
  }
}

std::vector<Ort::Value> BatchSlot::Values() {
  std::vector<Ort::Value> values;
  values.reserve(inputs_.size());
  for (Input& input : inputs_) {
    if (batched_) input.shape[0] = rows_;
    if (input.type == DataType::kBytes) {
      values.push_back(MakeStrings(input.strings, input.shape));
      continue;
    }
    const size_t bytes = *ByteCount(input.shape, DataTypeSize(input.type));
    values.push_back(Ort::Value::CreateTensor(session_->memory_info(), input.data, bytes,
                                              input.shape.data(), input.shape.size(),
                                              ToOrt(input.type)));
  }
  return values;
}

}  // namespace sentinode
