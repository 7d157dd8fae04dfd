// The addon's exports: NativeAddon of src/engine/native.ts.
#include <cstdint>
#include <limits>
#include <memory>
#include <string>

#include "binding/addon_data.h"
#include "binding/arguments.h"
#include "binding/ceiling.h"
#include "binding/errors.h"
#include "binding/imaging.h"
#include "binding/model_instance_wrap.h"
#include "binding/napi_setup.h"
#include "binding/process_exit.h"
#include "binding/session_worker.h"
#include "binding/session_wrap.h"
#include "core/base/memory.h"
#include "core/runtime/library.h"
#include "core/runtime/providers.h"
#include "core/runtime/run_memory.h"

namespace sentinode {
namespace {

Napi::Value LoadRuntimeLibrary(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!info[0].IsString()) {
    ThrowArgument(env, "libraryPath: expected a string, found " + KindOf(info[0]));
  }
  Result<RuntimeInfo> loaded = LoadRuntime(info[0].As<Napi::String>().Utf8Value());
  ThrowIfError(env, loaded.status());
  const RuntimeInfo& runtime = loaded.value();
  Napi::Array providers = Napi::Array::New(env, runtime.providers.size());
  for (uint32_t i = 0; i < runtime.providers.size(); ++i) {
    providers[i] = Napi::String::New(env, runtime.providers[i]);
  }
  Napi::Object result = Napi::Object::New(env);
  result["version"] = Napi::String::New(env, runtime.version);
  result["apiVersion"] = Napi::Number::New(env, runtime.api_version);
  result["providers"] = providers;
  result["onednn"] =
      runtime.onednn ? Napi::String::New(env, *runtime.onednn).As<Napi::Value>() : env.Null();
  return result;
}

Napi::Value CreateSession(const Napi::CallbackInfo& info) {
  return CreateSessionAsync(info.Env(), ReadSessionOptions(RequireObject(info, 0, "options")));
}

// Null where the provider can run.
Napi::Value CheckGivenProvider(const Napi::CallbackInfo& info) {
  const Status status = CheckProvider(ReadProvider(RequireObject(info, 0, "options")));
  if (status.ok()) return info.Env().Null();
  return Napi::String::New(info.Env(), status.message());
}

size_t ToLimit(Napi::Env env, const char* name, double bytes) {
  if (!(bytes >= 0)) {
    ThrowArgument(env, std::string(name) + ": expected a number, 0 or more (Infinity for no cap)");
  }
  constexpr double kNoLimit = 0x1p63;
  return bytes < kNoLimit ? static_cast<size_t>(bytes) : SIZE_MAX;
}

void SetMemoryLimit(const Napi::CallbackInfo& info) {
  const double bytes = info[0].IsNumber() ? info[0].As<Napi::Number>().DoubleValue() : -1;
  MemoryAccount::Process().SetLimit(ToLimit(info.Env(), "bytes", bytes));
}

void SetLimitsOfRuns(const Napi::CallbackInfo& info) {
  const Napi::Object limits = RequireObject(info, 0, "limits");
  const auto read = [&](const char* name) {
    return ToLimit(info.Env(), name, GetNumber(limits, name));
  };
  SetRunLimits({read("runBytes"), read("outputBytes")});
}

Napi::Value MemoryStats(const Napi::CallbackInfo& info) {
  const MemoryAccount::Stats stats = MemoryAccount::Process().stats();
  const double limit = stats.limit_bytes == SIZE_MAX ? std::numeric_limits<double>::infinity()
                                                     : static_cast<double>(stats.limit_bytes);
  Napi::Object result = Napi::Object::New(info.Env());
  result["pinnedBytes"] = Napi::Number::New(info.Env(), static_cast<double>(stats.pinned_bytes));
  result["pageableBytes"] =
      Napi::Number::New(info.Env(), static_cast<double>(stats.pageable_bytes));
  result["limitBytes"] = Napi::Number::New(info.Env(), limit);
  const RunMemoryStats runs = CurrentRunMemory();
  result["runBytes"] = Napi::Number::New(info.Env(), static_cast<double>(runs.held_bytes));
  result["keptBytes"] = Napi::Number::New(info.Env(), static_cast<double>(runs.kept_bytes));
  return result;
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  auto data = std::make_unique<AddonData>();
  data->dispatcher = Dispatcher::Create(env);
  data->session_class = Napi::Persistent(SessionWrap::Define(env));
  data->instance_class = Napi::Persistent(ModelInstanceWrap::Define(env));
  env.SetInstanceData(data.release());
  exports["loadRuntime"] = Napi::Function::New(env, LoadRuntimeLibrary, "loadRuntime");
  exports["createSession"] = Napi::Function::New(env, CreateSession, "createSession");
  exports["checkProvider"] = Napi::Function::New(env, CheckGivenProvider, "checkProvider");
  exports["preprocess"] = Napi::Function::New(env, PreprocessAsync, "preprocess");
  exports["matrixProduct"] = Napi::Function::New(env, MatrixProductSeconds, "matrixProduct");
  exports["setMemoryLimit"] = Napi::Function::New(env, SetMemoryLimit, "setMemoryLimit");
  exports["setRunLimits"] = Napi::Function::New(env, SetLimitsOfRuns, "setRunLimits");
  exports["exitAfter"] = Napi::Function::New(env, ExitAfter, "exitAfter");
  exports["memoryStats"] = Napi::Function::New(env, MemoryStats, "memoryStats");
  return exports;
}

}  // namespace

NODE_API_MODULE(sentinode, Init)

}  // namespace sentinode
