// Shapes: dimensions, slowest first; a scalar has none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace sentinode {

using Shape = std::vector<int64_t>;

// Elements of `shape` (1 for a scalar, 0 where a dimension is 0). Nothing where a dimension is
// negative or the product does not fit into an int64_t; a zero elsewhere in the shape does not
// excuse that.
std::optional<int64_t> ElementCount(const Shape& shape);

// ElementCount(shape) * element_size, nothing where that does not fit either.
std::optional<size_t> ByteCount(const Shape& shape, size_t element_size);

// "[1,-1,32]"
std::string ToString(const Shape& shape);

}  // namespace sentinode
