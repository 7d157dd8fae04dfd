#include "core/runtime/ort_types.h"

#include <array>
#include <utility>
#include <vector>

namespace sentinode {
namespace {

constexpr std::array<ONNXTensorElementDataType, kDataTypes.size()> kOrtTypes{
    ONNX_TENSOR_ELEMENT_DATA_TYPE_BOOL,     ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8,
    ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT16,   ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT32,
    ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT64,   ONNX_TENSOR_ELEMENT_DATA_TYPE_INT8,
    ONNX_TENSOR_ELEMENT_DATA_TYPE_INT16,    ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32,
    ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64,    ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16,
    ONNX_TENSOR_ELEMENT_DATA_TYPE_BFLOAT16, ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT,
    ONNX_TENSOR_ELEMENT_DATA_TYPE_DOUBLE,   ONNX_TENSOR_ELEMENT_DATA_TYPE_STRING,
};

template <DataType type, typename T>
constexpr bool Matches() {
  return kOrtTypes[static_cast<size_t>(type)] == Ort::TypeToTensorType<T>::type &&
         DataTypeSize(type) == sizeof(T);
}
static_assert(Matches<DataType::kBool, bool>());
static_assert(Matches<DataType::kUint8, uint8_t>());
static_assert(Matches<DataType::kUint16, uint16_t>());
static_assert(Matches<DataType::kUint32, uint32_t>());
static_assert(Matches<DataType::kUint64, uint64_t>());
static_assert(Matches<DataType::kInt8, int8_t>());
static_assert(Matches<DataType::kInt16, int16_t>());
static_assert(Matches<DataType::kInt32, int32_t>());
static_assert(Matches<DataType::kInt64, int64_t>());
static_assert(Matches<DataType::kFp16, Ort::Float16_t>());
static_assert(Matches<DataType::kBf16, Ort::BFloat16_t>());
static_assert(Matches<DataType::kFp32, float>());
static_assert(Matches<DataType::kFp64, double>());
static_assert(kOrtTypes[static_cast<size_t>(DataType::kBytes)] ==
              ONNX_TENSOR_ELEMENT_DATA_TYPE_STRING);

}  // namespace

ONNXTensorElementDataType ToOrt(DataType type) { return kOrtTypes[static_cast<size_t>(type)]; }

std::optional<DataType> FromOrt(ONNXTensorElementDataType type) {
  for (size_t i = 0; i < kOrtTypes.size(); ++i) {
    if (kOrtTypes[i] == type) return static_cast<DataType>(i);
  }
  return std::nullopt;
}

Result<TensorInfo> ReadTensorInfo(std::string name, const Ort::TypeInfo& info) {
  if (info.GetONNXType() != ONNX_TYPE_TENSOR) {
    return Status("MODEL_INVALID",
                  "'" + name + "' is a sequence, a map or optional; only tensors can be served");
  }
  const auto tensor = info.GetTensorTypeAndShapeInfo();
  const std::optional<DataType> type = FromOrt(tensor.GetElementType());
  if (!type) {
    return Status("MODEL_INVALID", "'" + name + "' has element type " +
                                       std::to_string(tensor.GetElementType()) +
                                       " of ONNX, which the protocol has no name for");
  }
  TensorInfo result{std::move(name), *type, tensor.GetShape(), {}};
  std::vector<const char*> symbols(result.shape.size());
  tensor.GetSymbolicDimensions(symbols.data(), symbols.size());
  for (const char* symbol : symbols) {
    const bool named = symbol != nullptr && *symbol != '\0';
    result.symbols.push_back(named ? std::optional<std::string>(symbol) : std::nullopt);
  }
  return result;
}

}  // namespace sentinode
