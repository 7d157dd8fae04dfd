#include "binding/batch_arguments.h"

#include <limits>
#include <string>
#include <utility>

#include "binding/arguments.h"
#include "binding/errors.h"

namespace sentinode {
namespace {

// The largest integer below which a double skips none.
constexpr int64_t kMaxSafeInteger = (int64_t{1} << 53) - 1;
constexpr int64_t kMaxRows = std::numeric_limits<int32_t>::max();

ByteView ReadView(const Napi::Value& value) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    ThrowArgument(value.Env(), "inputs: expected Uint8Arrays, found " + KindOf(value));
  }
  const auto bytes = value.As<Napi::Uint8Array>();
  return {bytes.Data(), bytes.ByteLength()};
}

Request ReadRequest(const Napi::Value& value, Napi::Array& views, uint32_t& view_count) {
  if (!value.IsObject()) {
    ThrowArgument(value.Env(), "requests: expected objects, found " + KindOf(value));
  }
  const Napi::Object object = value.As<Napi::Object>();
  Request request;
  const Napi::Array inputs = GetArray(object, "inputs");
  for (uint32_t i = 0; i < inputs.Length(); ++i) {
    const Napi::Value view = inputs.Get(i);
    request.inputs.push_back(ReadView(view));
    views[view_count++] = view;
  }
  request.rows = GetInteger(object, "rows", 1, kMaxRows);
  request.deadline_ms = GetNumber(object, "deadline");
  return request;
}

Shape ReadShape(const Napi::Value& value) {
  if (!value.IsArray()) {
    ThrowArgument(value.Env(), "shapes: expected arrays, found " + KindOf(value));
  }
  const Napi::Array array = value.As<Napi::Array>();
  Shape shape;
  for (uint32_t i = 0; i < array.Length(); ++i) {
    shape.push_back(IntegerAt(array, i, "shapes", 0, kMaxSafeInteger));
  }
  return shape;
}

}  // namespace

BatchArgument ReadBatch(const Napi::Object& object) {
  BatchArgument result{{}, Napi::Array::New(object.Env())};
  uint32_t view_count = 0;
  const Napi::Array requests = GetArray(object, "requests");
  for (uint32_t i = 0; i < requests.Length(); ++i) {
    result.batch.requests.push_back(ReadRequest(requests.Get(i), result.views, view_count));
  }
  const Napi::Array shapes = GetArray(object, "shapes");
  for (uint32_t i = 0; i < shapes.Length(); ++i) {
    result.batch.shapes.push_back(ReadShape(shapes.Get(i)));
  }
  result.batch.batched = GetBoolean(object, "batched");
  const Napi::Array outputs = GetArray(object, "outputs");
  for (uint32_t i = 0; i < outputs.Length(); ++i) {
    result.batch.outputs.push_back(
        static_cast<size_t>(IntegerAt(outputs, i, "outputs", 0, kMaxRows)));
  }
  return result;
}

}  // namespace sentinode
