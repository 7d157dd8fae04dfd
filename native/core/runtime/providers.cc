#include "core/runtime/providers.h"

#include <dlfcn.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <vector>

#include "core/runtime/ort.h"

namespace sentinode {
namespace {

using Options = std::map<std::string, std::string>;

struct Requirements {
  const char* label;                // as our options spell it
  const char* ort_name;             // as ONNX Runtime spells it
  std::vector<const char*> beside;  // libraries in ONNX Runtime's folder
  std::vector<const char*> system;  // libraries that the loader must find
};

const Requirements kCuda{"cuda",
                         "CUDAExecutionProvider",
                         {"libonnxruntime_providers_shared.so", "libonnxruntime_providers_cuda.so"},
                         {"libcuda.so.1"}};
const Requirements kTensorRt{
    "tensorrt",
    "TensorrtExecutionProvider",
    {"libonnxruntime_providers_shared.so", "libonnxruntime_providers_tensorrt.so",
     "libonnxruntime_providers_cuda.so"},
    {"libcuda.so.1", "libnvinfer.so.10"}};

bool Loads(const char* library) {
  void* handle = dlopen(library, RTLD_LAZY | RTLD_LOCAL);
  if (handle == nullptr) return false;
  dlclose(handle);
  return true;
}

Status CheckRequirements(const Requirements& needed) {
  std::string missing;
  const auto add = [&missing](const std::string& what) {
    missing += (missing.empty() ? "" : ", ") + what;
  };
  const std::vector<std::string> built_in = Ort::GetAvailableProviders();
  if (std::find(built_in.begin(), built_in.end(), needed.ort_name) == built_in.end()) {
    add(std::string("an ONNX Runtime library built with ") + needed.ort_name);
  }
  for (const char* library : needed.beside) {
    std::error_code ignored;
    if (!std::filesystem::exists(std::filesystem::path(RuntimeFolder()) / library, ignored)) {
      add(std::string(library) + " beside the ONNX Runtime library");
    }
  }
  for (const char* library : needed.system) {
    if (!Loads(library)) add(std::string(library) + " on the loader's path");
  }
  if (missing.empty()) return Status::Ok();
  return {"PROVIDER_UNAVAILABLE",
          std::string("provider ") + needed.label + " cannot run here; missing: " + missing};
}

// Both providers' options are made, filled from text and released in the same way.
template <typename Handle, typename Create, typename Update, typename Release>
std::unique_ptr<Handle, Release> MakeOptions(Create create, Update update, Release release,
                                             const Options& options) {
  Handle* raw = nullptr;
  Ort::ThrowOnError(create(&raw));
  std::unique_ptr<Handle, Release> handle(raw, release);
  std::vector<const char*> keys, values;
  for (const auto& [key, value] : options) {
    keys.push_back(key.c_str());
    values.push_back(value.c_str());
  }
  Ort::ThrowOnError(update(handle.get(), keys.data(), values.data(), keys.size()));
  return handle;
}

void AppendCuda(Ort::SessionOptions& session, const Options& options) {
  const OrtApi& api = Ort::GetApi();
  const auto handle = MakeOptions<OrtCUDAProviderOptionsV2>(
      api.CreateCUDAProviderOptions, api.UpdateCUDAProviderOptions, api.ReleaseCUDAProviderOptions,
      options);
  session.AppendExecutionProvider_CUDA_V2(*handle);
}

void AppendTensorRt(Ort::SessionOptions& session, const Options& options) {
  const OrtApi& api = Ort::GetApi();
  const auto handle = MakeOptions<OrtTensorRTProviderOptionsV2>(
      api.CreateTensorRTProviderOptions, api.UpdateTensorRTProviderOptions,
      api.ReleaseTensorRTProviderOptions, options);
  session.AppendExecutionProvider_TensorRT_V2(*handle);
}

}  // namespace

Status CheckProvider(Provider provider) {
  if (provider == Provider::kCpu) return Status::Ok();
  return CheckRequirements(provider == Provider::kTensorRt ? kTensorRt : kCuda);
}

Status AppendProvider(Ort::SessionOptions& session, const ProviderOptions& options) {
  if (options.provider == Provider::kCpu) {
    if (options.options.empty()) return Status::Ok();
    return {"INVALID_OPTION", "provider cpu takes no provider options, found '" +
                                  options.options.begin()->first + "'"};
  }
  const bool tensorrt = options.provider == Provider::kTensorRt;
  SENTINODE_RETURN_IF_ERROR(CheckProvider(options.provider));
  try {
    Options of_provider = options.options;
    of_provider["device_id"] = std::to_string(options.device_id);
    if (tensorrt) {
      AppendTensorRt(session, of_provider);
      // What TensorRT does not take runs on the same GPU before it runs on the CPU.
      AppendCuda(session, {{"device_id", std::to_string(options.device_id)}});
    } else {
      AppendCuda(session, of_provider);
    }
    return Status::Ok();
  } catch (const Ort::Exception& error) {
    const bool mistaken = error.GetOrtErrorCode() == ORT_INVALID_ARGUMENT;
    return {mistaken ? "INVALID_OPTION" : "PROVIDER_UNAVAILABLE",
            std::string("provider ") + (tensorrt ? "tensorrt" : "cuda") + ": " + error.what()};
  }
}

}  // namespace sentinode
