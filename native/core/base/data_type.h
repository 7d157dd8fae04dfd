// The protocol's data types: their names on the wire and their sizes. What they are called in ONNX
// Runtime is runtime's business.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace sentinode {

enum class DataType : uint8_t {
  kBool,
  kUint8,
  kUint16,
  kUint32,
  kUint64,
  kInt8,
  kInt16,
  kInt32,
  kInt64,
  kFp16,
  kBf16,
  kFp32,
  kFp64,
  kBytes,
};

struct DataTypeEntry {
  DataType type;
  std::string_view name;  // as the Open Inference Protocol spells it
  size_t size;            // bytes of an element, 0 where elements have a length of their own
};

inline constexpr std::array<DataTypeEntry, 14> kDataTypes{{
    {DataType::kBool, "BOOL", 1},
    {DataType::kUint8, "UINT8", 1},
    {DataType::kUint16, "UINT16", 2},
    {DataType::kUint32, "UINT32", 4},
    {DataType::kUint64, "UINT64", 8},
    {DataType::kInt8, "INT8", 1},
    {DataType::kInt16, "INT16", 2},
    {DataType::kInt32, "INT32", 4},
    {DataType::kInt64, "INT64", 8},
    {DataType::kFp16, "FP16", 2},
    {DataType::kBf16, "BF16", 2},
    {DataType::kFp32, "FP32", 4},
    {DataType::kFp64, "FP64", 8},
    {DataType::kBytes, "BYTES", 0},
}};

constexpr bool DataTypesAreIndexedByType() {
  for (size_t i = 0; i < kDataTypes.size(); ++i) {
    if (static_cast<size_t>(kDataTypes[i].type) != i) return false;
  }
  return true;
}
static_assert(DataTypesAreIndexedByType());

constexpr std::string_view DataTypeName(DataType type) {
  return kDataTypes[static_cast<size_t>(type)].name;
}

// Bytes of one element; 0 for kBytes, whose elements differ.
constexpr size_t DataTypeSize(DataType type) { return kDataTypes[static_cast<size_t>(type)].size; }

std::optional<DataType> ParseDataType(std::string_view name);

}  // namespace sentinode
