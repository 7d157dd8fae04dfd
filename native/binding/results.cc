#include "binding/results.h"

#include <new>
#include <string>
#include <utility>
#include <vector>

#include "binding/external_buffer.h"

namespace sentinode {
namespace {

// Below this a copy costs less than a buffer around foreign memory and its finalizer.
constexpr size_t kCopyBytes = 4096;

Napi::Value ToBuffer(Napi::Env env, const Output& output) {
  if (output.size <= kCopyBytes) {
    return Napi::Buffer<uint8_t>::Copy(env, output.data.get(), output.size);
  }
  return ExternalBuffer(env, output.data, output.size);
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

Napi::Object Failed(Napi::Env env, const std::string& code, const std::string& message) {
  Napi::Object object = Napi::Object::New(env);
  object["kind"] = Napi::String::New(env, KindName(OutcomeKind::kFailed));
  object["code"] = Napi::String::New(env, code);
  object["message"] = Napi::String::New(env, message);
  return object;
}

Napi::Object Answer(Napi::Env env, const std::vector<Output>& outputs) {
  Napi::Array array = Napi::Array::New(env, outputs.size());
  for (uint32_t i = 0; i < outputs.size(); ++i) array[i] = ToObject(env, outputs[i]);
  Napi::Object object = Napi::Object::New(env);
  object["kind"] = Napi::String::New(env, KindName(OutcomeKind::kOk));
  object["outputs"] = array;
  return object;
}

// A request whose answer does not fit into JavaScript fails alone: an exception here would leave
// its whole batch without an answer.
Napi::Object ToObject(Napi::Env env, const Outcome& outcome) {
  if (outcome.kind == OutcomeKind::kOk) {
    try {
      return Answer(env, outcome.outputs);
    } catch (const Napi::Error& error) {
      return Failed(env, "MEMORY_LIMIT", "an output fits into no Buffer: " + error.Message());
    } catch (const std::bad_alloc&) {
      return Failed(env, "MEMORY_LIMIT", "the machine has no memory left for this answer");
    }
  }
  if (outcome.kind == OutcomeKind::kFailed) {
    return Failed(env, outcome.status.code(), outcome.status.message());
  }
  Napi::Object object = Napi::Object::New(env);
  object["kind"] = Napi::String::New(env, KindName(outcome.kind));
  return object;
}

}  // namespace

const char* StageName(RunStage stage) {
  switch (stage) {
    case RunStage::kWaiting:
      return "waiting";
    case RunStage::kGather:
      return "gather";
    case RunStage::kRun:
      return "run";
    case RunStage::kScatter:
      break;
  }
  return "scatter";
}

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
