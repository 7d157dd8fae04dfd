#include "core/runtime/session.h"

#include <onnxruntime_session_options_config_keys.h>

#include <filesystem>
#include <mutex>
#include <utility>

#include "core/base/denormals.h"
#include "core/base/operator_failure.h"
#include "core/runtime/library.h"
#include "core/runtime/ort.h"
#include "core/runtime/ort_types.h"
#include "core/runtime/pinned_memory.h"

#if defined(SENTINODE_HAVE_ONEDNN) && __has_include("core/ops/register.h")
#include "core/ops/register.h"
#define SENTINODE_HAVE_OPERATORS
#endif

namespace sentinode {
namespace {

// Sessions that are created at the same time race for ONNX Runtime's table of operator domains.
std::mutex creation_mutex;

GraphOptimizationLevel ToOrt(GraphOptimization level) {
  switch (level) {
    case GraphOptimization::kDisabled:
      return ORT_DISABLE_ALL;
    case GraphOptimization::kBasic:
      return ORT_ENABLE_BASIC;
    case GraphOptimization::kExtended:
      return ORT_ENABLE_EXTENDED;
    case GraphOptimization::kAll:
      break;
  }
  return ORT_ENABLE_ALL;
}

Status Validate(const SessionOptions& options) {
  if (options.model_path.empty() == options.model_bytes.empty()) {
    return {"INVALID_OPTION", "a session needs a model's path or its bytes, exactly one of them"};
  }
  if (options.threads < 1) {
    return {"INVALID_OPTION",
            "threads: expected 1 or more, found " + std::to_string(options.threads)};
  }
  return Status::Ok();
}

Ort::SessionOptions ToOrt(const SessionOptions& options) {
  Ort::SessionOptions result;
  result.SetIntraOpNumThreads(options.threads);
  result.SetExecutionMode(ORT_SEQUENTIAL);
  result.SetGraphOptimizationLevel(ToOrt(options.graph_optimization));
  result.AddConfigEntry(kOrtSessionOptionsConfigAllowIntraOpSpinning,
                        options.allow_spinning ? "1" : "0");
  // Of ONNX Runtime's own threads; it also sets it on whichever thread creates the first session.
  result.AddConfigEntry(kOrtSessionOptionsConfigSetDenormalAsZero, "1");
  // The environment's allocator, which counts: an arena of its own would grow without a bound.
  result.AddConfigEntry(kOrtSessionOptionsConfigUseEnvAllocators, "1");
  result.DisableCpuMemArena();
  return result;
}

// What ONNX Runtime says of a model, without the folder of this host that the model stands in.
std::string WithoutFolder(std::string message, const std::string& model_path) {
  const std::string folder = std::filesystem::path(model_path).parent_path().string();
  if (folder.empty()) return message;
  for (size_t at = message.find(folder); at != std::string::npos; at = message.find(folder, at)) {
    message.erase(at, folder.size() + (message[at + folder.size()] == '/' ? 1 : 0));
  }
  return message;
}

}  // namespace

Session::Session() = default;
Session::~Session() = default;

Result<std::shared_ptr<Session>> Session::Create(SessionOptions options) {
  SENTINODE_RETURN_IF_ERROR(RequireRuntime());
  SENTINODE_RETURN_IF_ERROR(Validate(options));
  std::shared_ptr<Session> session(new Session());
  // What is folded into constants and measured here is as it will be when the model runs.
  const FlushDenormals flush;
  operator_failure = Status::Ok();
  try {
    SENTINODE_RETURN_IF_ERROR(session->Load(options));
    SENTINODE_RETURN_IF_ERROR(session->ReadSignature());
  } catch (const Ort::Exception& error) {
    if (!operator_failure.ok()) return operator_failure;
    const bool provider = error.GetOrtErrorCode() == ORT_EP_FAIL;
    return Status(provider ? "PROVIDER_UNAVAILABLE" : "MODEL_INVALID",
                  WithoutFolder(error.what(), options.model_path));
  } catch (const std::exception& error) {
    return Status("MODEL_INVALID", WithoutFolder(error.what(), options.model_path));
  }
  return session;
}

Status Session::Load(const SessionOptions& options) {
  std::lock_guard<std::mutex> lock(creation_mutex);
  Ort::SessionOptions ort_options = ToOrt(options);
#ifdef SENTINODE_HAVE_OPERATORS
  const std::string folder = std::filesystem::path(options.model_path).parent_path().string();
  operators_ = RegisterOperators(
      ort_options, &Ort::GetApi(),
      {options.model_path.empty() || !folder.empty() ? folder : ".", options.threads});
#endif
  SENTINODE_RETURN_IF_ERROR(AppendProvider(ort_options, options.provider));
  ort_ = options.model_path.empty()
             ? std::make_unique<Ort::Session>(OrtEnvironment(), options.model_bytes.data(),
                                              options.model_bytes.size(), ort_options)
             : std::make_unique<Ort::Session>(OrtEnvironment(), options.model_path.c_str(),
                                              ort_options);
  threads_ = options.threads;
  keeps_memory_ = options.cpu_memory_arena;
  if (options.provider.provider == Provider::kCpu) {
    allocator_ = PageableAllocator();
    memory_info_ = std::make_unique<Ort::MemoryInfo>(
        Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault));
  } else {
    allocator_ = PinnedAllocator(*ort_, options.provider.device_id);
    memory_info_ = std::make_unique<Ort::MemoryInfo>(PinnedMemoryInfo(options.provider.device_id));
  }
  return Status::Ok();
}

size_t Session::planned_bytes() const {
#ifdef SENTINODE_HAVE_OPERATORS
  return operators_->planned_bytes();
#else
  return 0;
#endif
}

std::string Session::OperatorReport() const {
#ifdef SENTINODE_HAVE_OPERATORS
  return operators_->ReportJson();
#else
  return "[]";
#endif
}

Status Session::ReadSignature() {
  Ort::AllocatorWithDefaultOptions allocator;
  for (size_t i = 0; i < ort_->GetInputCount(); ++i) {
    Result<TensorInfo> info =
        ReadTensorInfo(ort_->GetInputNameAllocated(i, allocator).get(), ort_->GetInputTypeInfo(i));
    if (!info.ok()) return info.status();
    inputs_.push_back(std::move(info.value()));
  }
  for (size_t i = 0; i < ort_->GetOutputCount(); ++i) {
    Result<TensorInfo> info = ReadTensorInfo(ort_->GetOutputNameAllocated(i, allocator).get(),
                                             ort_->GetOutputTypeInfo(i));
    if (!info.ok()) return info.status();
    outputs_.push_back(std::move(info.value()));
  }
  return Status::Ok();
}

}  // namespace sentinode
