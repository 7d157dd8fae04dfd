#include "core/base/shape.h"

namespace sentinode {

std::optional<int64_t> ElementCount(const Shape& shape) {
  int64_t product = 1;
  bool empty = false;
  for (int64_t dimension : shape) {
    if (dimension < 0) return std::nullopt;
    if (dimension == 0) {
      empty = true;
    } else if (__builtin_mul_overflow(product, dimension, &product)) {
      return std::nullopt;
    }
  }
  return empty ? 0 : product;
}

std::optional<size_t> ByteCount(const Shape& shape, size_t element_size) {
  const std::optional<int64_t> count = ElementCount(shape);
  size_t bytes = 0;
  if (!count || __builtin_mul_overflow(static_cast<size_t>(*count), element_size, &bytes)) {
    return std::nullopt;
  }
  return bytes;
}

std::string ToString(const Shape& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) {
    if (i != 0) text += ',';
    text += std::to_string(shape[i]);
  }
  return text + ']';
}

}  // namespace sentinode
