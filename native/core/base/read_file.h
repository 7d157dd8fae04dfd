#pragma once

#include <cstddef>

namespace sentinode {

// The first `bytes` bytes of an open file to `to`; false where it has fewer or cannot be read.
bool ReadWhole(int descriptor, void* to, size_t bytes);

}  // namespace sentinode
