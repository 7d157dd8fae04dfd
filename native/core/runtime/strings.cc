#include "core/runtime/strings.h"

#include <cstdint>
#include <cstring>
#include <stdexcept>

namespace sentinode {
namespace {

constexpr size_t kPrefix = sizeof(uint32_t);

uint32_t ReadLength(const uint8_t* data) {
  uint32_t length;
  std::memcpy(&length, data, kPrefix);
  return length;
}

}  // namespace

Status CheckStrings(ByteView bytes, size_t count) {
  size_t position = 0;
  for (size_t i = 0; i < count; ++i) {
    const size_t left = bytes.size - position;
    if (left < kPrefix || left - kPrefix < ReadLength(bytes.data + position)) {
      return {"INVALID_REQUEST", "expected " + std::to_string(count) +
                                     " length-prefixed elements, the data ends in element " +
                                     std::to_string(i)};
    }
    position += kPrefix + ReadLength(bytes.data + position);
  }
  if (position == bytes.size) return Status::Ok();
  return {"INVALID_REQUEST", "expected " + std::to_string(count) + " length-prefixed elements of " +
                                 std::to_string(position) + " bytes in all, found " +
                                 std::to_string(bytes.size) + " bytes"};
}

void AppendStrings(ByteView bytes, std::vector<std::string>& elements) {
  for (size_t position = 0; position < bytes.size;) {
    const uint32_t length = ReadLength(bytes.data + position);
    position += kPrefix;
    elements.emplace_back(reinterpret_cast<const char*>(bytes.data + position), length);
    position += length;
  }
}

Output EncodeStrings(const std::string& content, const size_t* offsets, size_t count) {
  const auto end = [&](size_t i) { return i + 1 < count ? offsets[i + 1] : content.size(); };
  Output output;
  for (size_t i = 0; i < count; ++i) {
    if (end(i) - offsets[i] > UINT32_MAX) {
      throw std::length_error("an element of a BYTES output is longer than its length can say");
    }
    output.size += kPrefix + (end(i) - offsets[i]);
  }
  const std::shared_ptr<uint8_t> data = NewOutputData(output.size);
  uint8_t* to = data.get();
  for (size_t i = 0; i < count; ++i) {
    const auto length = static_cast<uint32_t>(end(i) - offsets[i]);
    std::memcpy(to, &length, kPrefix);
    std::memcpy(to + kPrefix, content.data() + offsets[i], length);
    to += kPrefix + length;
  }
  output.data = data;
  return output;
}

}  // namespace sentinode
