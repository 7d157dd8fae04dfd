#include "core/runtime/outputs.h"

#include <cstring>
#include <new>
#include <string>
#include <utility>

#include "core/runtime/ort_types.h"
#include "core/runtime/strings.h"

namespace sentinode {
namespace {

// One output of a run, from which ranges of rows are copied.
class Source {
 public:
  explicit Source(const Ort::Value& value) {
    const auto info = value.GetTensorTypeAndShapeInfo();
    shape_ = info.GetShape();
    const std::optional<DataType> type = FromOrt(info.GetElementType());
    if (!type) throw Ort::Exception("an output has an element type of no name", ORT_FAIL);
    element_size_ = DataTypeSize(*type);
    if (*type == DataType::kBytes) {
      offsets_.resize(info.GetElementCount());
      content_.resize(value.GetStringTensorDataLength());
      value.GetStringTensorContent(content_.data(), content_.size(), offsets_.data(),
                                   offsets_.size());
    } else {
      data_ = static_cast<const uint8_t*>(value.GetTensorRawData());
    }
  }

  const Shape& shape() const { return shape_; }

  // A copy of `count` elements from element `first` on.
  Output Copy(size_t first, size_t count, Shape shape) const {
    Output output = element_size_ == 0 ? CopyStrings(first, count) : CopyBytes(first, count);
    output.shape = std::move(shape);
    return output;
  }

 private:
  Output CopyBytes(size_t first, size_t count) const {
    Output output;
    output.size = count * element_size_;
    output.data.reset(static_cast<uint8_t*>(std::malloc(output.size + 1)));
    if (output.data == nullptr) throw std::bad_alloc();
    if (output.size != 0) {
      std::memcpy(output.data.get(), data_ + first * element_size_, output.size);
    }
    return output;
  }

  Output CopyStrings(size_t first, size_t count) const {
    if (count == 0) return EncodeStrings({}, nullptr, 0);
    const size_t begin = offsets_[first];
    const size_t end = first + count < offsets_.size() ? offsets_[first + count] : content_.size();
    std::vector<size_t> offsets(count);
    for (size_t i = 0; i < count; ++i) offsets[i] = offsets_[first + i] - begin;
    return EncodeStrings(content_.substr(begin, end - begin), offsets.data(), count);
  }

  Shape shape_;
  size_t element_size_ = 0;
  const uint8_t* data_ = nullptr;
  std::string content_;
  std::vector<size_t> offsets_;
};

}  // namespace

Status Scatter(const Session& session, const Batch& batch, const std::vector<size_t>& live,
               const std::vector<bool>& wanted, int64_t rows, const std::vector<Ort::Value>& values,
               std::vector<Outcome>& outcomes) {
  for (size_t i = 0; i < values.size(); ++i) {
    const Source source(values[i]);
    Shape shape = source.shape();
    if (batch.batched && (shape.empty() || shape[0] != rows)) {
      return {"MODEL_RUN_FAILED", "output '" + session.outputs()[batch.outputs[i]].name +
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
      if (wanted[index]) outcomes[index].outputs.push_back(source.Copy(first, count, shape));
      first += count;
    }
  }
  for (size_t index : live) {
    if (wanted[index]) outcomes[index].kind = OutcomeKind::kOk;
  }
  return Status::Ok();
}

}  // namespace sentinode
