#include "core/base/data_type.h"

namespace sentinode {

std::optional<DataType> ParseDataType(std::string_view name) {
  for (const DataTypeEntry& entry : kDataTypes) {
    if (entry.name == name) return entry.type;
  }
  return std::nullopt;
}

}  // namespace sentinode
