// BYTES tensors: on the wire each element is a uint32 length (little-endian) and its bytes.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "core/base/status.h"
#include "core/runtime/batch.h"

namespace sentinode {

// Checks that `bytes` holds exactly `count` elements. Errors: INVALID_REQUEST.
Status CheckStrings(ByteView bytes, size_t count);

// Appends the elements of bytes that CheckStrings has accepted.
void AppendStrings(ByteView bytes, std::vector<std::string>& elements);

// Encodes elements that lie one after another in `content`; element i begins at offsets[i].
Output EncodeStrings(const std::string& content, const size_t* offsets, size_t count);

}  // namespace sentinode
