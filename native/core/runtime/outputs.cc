#include "core/runtime/outputs.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "core/runtime/ort_types.h"
#include "core/runtime/run_memory.h"
#include "core/runtime/strings.h"

namespace sentinode {
namespace {

// Larger outputs are lent rather than copied: new memory costs more than the copy itself, a page
// fault each 4 KiB, which took longer than convolving 1 -> 16 channels did.
constexpr size_t kLendBytes = 64 << 10;

// An output of a run for as long as a request's part of it is read. With the session, since it may
// be one of the model's own constants.
struct Lent {
  std::shared_ptr<const Session> session;
  Ort::Value value;
};

bool LiesWithin(const void* address, const Ort::Value& value) {
  const auto info = value.GetTensorTypeAndShapeInfo();
  if (info.GetElementType() == ONNX_TENSOR_ELEMENT_DATA_TYPE_STRING) return false;
  const auto begin = reinterpret_cast<uintptr_t>(value.GetTensorRawData());
  return reinterpret_cast<uintptr_t>(address) - begin <
         info.GetElementCount() * DataTypeSize(*FromOrt(info.GetElementType()));
}

// One output of a run, of which ranges of rows are given away.
class Source {
 public:
  Source(std::shared_ptr<const Session> session, Ort::Value value,
         const std::vector<Ort::Value>& inputs) {
    const auto info = value.GetTensorTypeAndShapeInfo();
    shape_ = info.GetShape();
    const std::optional<DataType> type = FromOrt(info.GetElementType());
    if (!type) throw Ort::Exception("an output has an element type of no name", ORT_FAIL);
    element_size_ = DataTypeSize(*type);
    const bool pageable = session->allocator()->kind() == MemoryKind::kPageable;
    lent_ = std::make_shared<Lent>(Lent{std::move(session), std::move(value)});
    if (*type == DataType::kBytes) {
      offsets_.resize(info.GetElementCount());
      content_.resize(lent_->value.GetStringTensorDataLength());
      lent_->value.GetStringTensorContent(content_.data(), content_.size(), offsets_.data(),
                                          offsets_.size());
      return;
    }
    data_ = static_cast<const uint8_t*>(lent_->value.GetTensorRawData());
    // Page-locked memory is scarce, and that of an input is the next batch's or the caller's.
    may_lend_ = pageable && std::none_of(inputs.begin(), inputs.end(), [this](const auto& input) {
                  return LiesWithin(data_, input);
                });
  }

  const Shape& shape() const { return shape_; }

  // Of `count` elements from element `first` on, as Take gives them.
  size_t Bytes(size_t first, size_t count) const {
    if (element_size_ != 0) return count * element_size_;
    if (count == 0) return 0;
    const size_t end = first + count < offsets_.size() ? offsets_[first + count] : content_.size();
    return end - offsets_[first] + count * sizeof(uint32_t);
  }

  // `count` elements from element `first` on.
  Output Take(size_t first, size_t count, Shape shape) const {
    Output output = element_size_ == 0 ? TakeStrings(first, count) : TakeBytes(first, count);
    output.shape = std::move(shape);
    return output;
  }

 private:
  Output TakeBytes(size_t first, size_t count) const {
    Output output;
    output.size = count * element_size_;
    const uint8_t* const from = data_ + first * element_size_;
    if (may_lend_ && output.size >= kLendBytes) {
      output.data = {lent_, from};
      return output;
    }
    const std::shared_ptr<uint8_t> copy = NewOutputData(output.size);
    if (output.size != 0) std::memcpy(copy.get(), from, output.size);
    output.data = copy;
    return output;
  }

  Output TakeStrings(size_t first, size_t count) const {
    if (count == 0) return EncodeStrings({}, nullptr, 0);
    const size_t begin = offsets_[first];
    const size_t end = first + count < offsets_.size() ? offsets_[first + count] : content_.size();
    std::vector<size_t> offsets(count);
    for (size_t i = 0; i < count; ++i) offsets[i] = offsets_[first + i] - begin;
    return EncodeStrings(content_.substr(begin, end - begin), offsets.data(), count);
  }

  Shape shape_;
  size_t element_size_ = 0;
  std::shared_ptr<const Lent> lent_;
  const uint8_t* data_ = nullptr;
  bool may_lend_ = false;
  std::string content_;
  std::vector<size_t> offsets_;
};

Status TooLarge(size_t bytes) {
  return {"MEMORY_LIMIT", "the outputs of a request may hold " +
                              std::to_string(CurrentRunLimits().output_bytes) +
                              " bytes, these have " + std::to_string(bytes)};
}

}  // namespace

Status CheckAnswerSize(const Session& session, const Batch& batch, size_t index) {
  size_t sum = 0;
  for (const size_t output : batch.outputs) {
    const TensorInfo& info = session.outputs()[output];
    Shape shape = info.shape;
    if (batch.batched && !shape.empty()) shape[0] = batch.requests[index].rows;
    const bool known = std::all_of(shape.begin(), shape.end(), [](int64_t d) { return d >= 0; });
    const std::optional<size_t> bytes =
        known ? ByteCount(shape, info.type == DataType::kBytes ? sizeof(uint32_t)
                                                               : DataTypeSize(info.type))
              : std::optional<size_t>(0);
    if (!bytes || __builtin_add_overflow(sum, *bytes, &sum)) sum = SIZE_MAX;
  }
  return sum > CurrentRunLimits().output_bytes ? TooLarge(sum) : Status::Ok();
}

Status Scatter(const std::shared_ptr<const Session>& session, const Batch& batch,
               const std::vector<size_t>& live, const std::vector<bool>& wanted, int64_t rows,
               const std::vector<Ort::Value>& inputs, std::vector<Ort::Value> values,
               std::vector<Outcome>& outcomes) {
  const size_t limit = CurrentRunLimits().output_bytes;
  std::vector<size_t> bytes(outcomes.size());
  for (size_t i = 0; i < values.size(); ++i) {
    const Source source(session, std::move(values[i]), inputs);
    Shape shape = source.shape();
    if (batch.batched && (shape.empty() || shape[0] != rows)) {
      return {"MODEL_RUN_FAILED", "output '" + session->outputs()[batch.outputs[i]].name +
                                      "': expected " + std::to_string(rows) + " rows, found " +
                                      ToString(shape)};
    }
    if (batch.batched) shape[0] = 1;
    const auto row_elements = static_cast<size_t>(*ElementCount(shape));
    size_t first = 0;
    for (size_t index : live) {
      const int64_t own_rows = batch.batched ? batch.requests[index].rows : 1;
      const size_t count = static_cast<size_t>(own_rows) * row_elements;
      if (batch.batched) shape[0] = own_rows;
      bytes[index] += source.Bytes(first, count);
      if (bytes[index] > limit) {
        outcomes[index].outputs.clear();
      } else if (wanted[index]) {
        outcomes[index].outputs.push_back(source.Take(first, count, shape));
      }
      first += count;
    }
  }
  for (size_t index : live) {
    if (!wanted[index]) continue;
    Outcome& outcome = outcomes[index];
    outcome.kind = bytes[index] > limit ? OutcomeKind::kFailed : OutcomeKind::kOk;
    if (bytes[index] > limit) outcome.status = TooLarge(bytes[index]);
  }
  return Status::Ok();
}

}  // namespace sentinode
