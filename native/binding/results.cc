#include "binding/results.h"

#include <memory>
#include <utility>

namespace sentinode {
namespace {

// Below this a copy costs less than a buffer around foreign memory and its finalizer.
constexpr size_t kCopyBytes = 4096;

Napi::Value ToBuffer(Napi::Env env, const Output& output) {
  const uint8_t* const data = output.data.get();
  if (output.size <= kCopyBytes) return Napi::Buffer<uint8_t>::Copy(env, data, output.size);
  auto keep = std::make_unique<std::shared_ptr<const uint8_t>>(output.data);
  auto buffer = Napi::Buffer<uint8_t>::New(
      env, const_cast<uint8_t*>(data), output.size,
      [](Napi::Env, uint8_t*, std::shared_ptr<const uint8_t>* kept) {
        const std::unique_ptr<std::shared_ptr<const uint8_t>> owned(kept);
      },
      keep.get());
  keep.release();  // the finalizer takes it back
  return buffer;
}

Napi::Object ToObject(Napi::Env env, const Output& output) {
  Napi::Array shape = Napi::Array::New(env, output.shape.size());
  for (uint32_t i = 0; i < output.shape.size(); ++i) {
    shape[i] = Napi::Number::New(env, static_cast<double>(output.shape[i]));
  }
  Napi::Object object = Napi::Object::New(env);
  object["shape"] = shape;
  object["data"] = ToBuffer(env, output);
  return object;
}

const char* KindName(OutcomeKind kind) {
  switch (kind) {
    case OutcomeKind::kOk:
      return "ok";
    case OutcomeKind::kExpired:
      return "expired";
    case OutcomeKind::kCancelled:
      return "cancelled";
    case OutcomeKind::kFailed:
      break;
  }
  return "failed";
}

Napi::Object ToObject(Napi::Env env, const Outcome& outcome) {
  Napi::Object object = Napi::Object::New(env);
  object["kind"] = Napi::String::New(env, KindName(outcome.kind));
  if (outcome.kind == OutcomeKind::kOk) {
    Napi::Array outputs = Napi::Array::New(env, outcome.outputs.size());
    for (uint32_t i = 0; i < outcome.outputs.size(); ++i) {
      outputs[i] = ToObject(env, outcome.outputs[i]);
    }
    object["outputs"] = outputs;
  } else if (outcome.kind == OutcomeKind::kFailed) {
    object["code"] = Napi::String::New(env, outcome.status.code());
    object["message"] = Napi::String::New(env, outcome.status.message());
  }
  return object;
}

}  // namespace

Napi::Object ToObject(Napi::Env env, BatchResult result) {
  Napi::Array outcomes = Napi::Array::New(env, result.outcomes.size());
  for (uint32_t i = 0; i < result.outcomes.size(); ++i) {
    outcomes[i] = ToObject(env, result.outcomes[i]);
  }
  Napi::Object object = Napi::Object::New(env);
  object["outcomes"] = outcomes;
  object["rows"] = Napi::Number::New(env, static_cast<double>(result.rows));
  object["gatherStart"] = Napi::Number::New(env, result.gather_start);
  object["gatherEnd"] = Napi::Number::New(env, result.gather_end);
  object["runStart"] = Napi::Number::New(env, result.run_start);
  object["runEnd"] = Napi::Number::New(env, result.run_end);
  object["scatterEnd"] = Napi::Number::New(env, result.scatter_end);
  return object;
}

}  // namespace sentinode
