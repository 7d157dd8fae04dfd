// How the protocol's data types are called in ONNX Runtime, and what a session says of its tensors.
#pragma once

#include <optional>
#include <string>

#include "core/base/data_type.h"
#include "core/base/status.h"
#include "core/runtime/ort.h"
#include "core/runtime/session.h"

namespace sentinode {

ONNXTensorElementDataType ToOrt(DataType type);

// Nothing for what the protocol has no name for (complex, 8-bit floats, 4-bit integers).
std::optional<DataType> FromOrt(ONNXTensorElementDataType type);

// Reads one input's or output's signature. Errors: MODEL_INVALID where it is no tensor of a type
// that the protocol has.
Result<TensorInfo> ReadTensorInfo(std::string name, const Ort::TypeInfo& info);

}  // namespace sentinode
