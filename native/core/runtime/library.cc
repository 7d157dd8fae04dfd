#include "core/runtime/library.h"

#include <dlfcn.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <mutex>

#include "core/runtime/ort.h"
#include "core/runtime/run_memory.h"

#ifdef SENTINODE_HAVE_ONEDNN
#include <dnnl.h>
#endif

namespace sentinode {
namespace {

// Has all that is needed, and libraries older than the headers would answer null to anything newer.
constexpr uint32_t kApiVersion = 21;

struct Runtime {
  std::filesystem::path file;
  std::string folder;
  RuntimeInfo info;
  Ort::Env* env = nullptr;
};

std::mutex runtime_mutex;

// Leaked on purpose, with what it points to.
Runtime*& CurrentRuntime() {
  static Runtime* runtime = nullptr;
  return runtime;
}

std::optional<std::string> OneDnnVersion() {
#ifdef SENTINODE_HAVE_ONEDNN
  const dnnl_version_t* version = dnnl_version();
  return std::to_string(version->major) + '.' + std::to_string(version->minor) + '.' +
         std::to_string(version->patch);
#else
  return std::nullopt;
#endif
}

// From 1.30 on the library keeps a database below the user's cache folder, writes a log into the
// temporary one and knows a host to send them to, unless this is set while it loads
// (onnxruntime/core/platform/posix/telemetry.cc). Whatever the user has set: exams pass through
// here.
void SwitchTelemetryOff() { setenv("ORT_DISABLE_TELEMETRY", "1", 1); }

Result<std::unique_ptr<Runtime>> Open(const std::filesystem::path& file) {
  SwitchTelemetryOff();
  void* library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    return Status("RUNTIME_NOT_FOUND",
                  std::string("the ONNX Runtime library does not load: ") + dlerror());
  }
  using GetApiBase = const OrtApiBase*(ORT_API_CALL*)();
  const auto get_api_base = reinterpret_cast<GetApiBase>(dlsym(library, "OrtGetApiBase"));
  if (get_api_base == nullptr) {
    return Status("RUNTIME_NOT_FOUND", "the library has no OrtGetApiBase: it is not ONNX Runtime");
  }
  const std::string version = get_api_base()->GetVersionString();
  const OrtApi* api = get_api_base()->GetApi(kApiVersion);
  if (api == nullptr) {
    return Status("RUNTIME_TOO_OLD",
                  "ONNX Runtime 1.21 or newer is needed, the library is " + version);
  }
  Ort::InitApi(api);
  try {
    auto runtime = std::make_unique<Runtime>();
    runtime->file = file;
    runtime->folder = file.parent_path().string();
    runtime->info = {version, static_cast<int>(kApiVersion), Ort::GetAvailableProviders(),
                     OneDnnVersion()};
    // Whatever goes wrong comes back as a status, so the library itself stays silent.
    runtime->env = std::make_unique<Ort::Env>(ORT_LOGGING_LEVEL_FATAL, "sentinode").release();
    Ort::ThrowOnError(api->RegisterAllocator(*runtime->env, SharedRunAllocator()));
    return runtime;
  } catch (const Ort::Exception& error) {
    return Status("RUNTIME_NOT_FOUND", std::string("ONNX Runtime does not start: ") + error.what());
  }
}

}  // namespace

Result<RuntimeInfo> LoadRuntime(const std::string& path) {
  std::error_code ignored;
  std::filesystem::path file = std::filesystem::weakly_canonical(path, ignored);
  if (file.empty()) file = path;
  std::lock_guard<std::mutex> lock(runtime_mutex);
  Runtime*& current = CurrentRuntime();
  if (current == nullptr) {
    Result<std::unique_ptr<Runtime>> opened = Open(file);
    if (!opened.ok()) return opened.status();
    current = opened.value().release();
  } else if (current->file != file) {
    return Status("INVALID_OPTION",
                  "this process has loaded another ONNX Runtime library; it can hold one");
  }
  return current->info;
}

Status RequireRuntime() {
  std::lock_guard<std::mutex> lock(runtime_mutex);
  if (CurrentRuntime() != nullptr) return Status::Ok();
  return {"RUNTIME_NOT_FOUND", "no ONNX Runtime library is loaded: call loadRuntime first"};
}

Ort::Env& OrtEnvironment() {
  std::lock_guard<std::mutex> lock(runtime_mutex);
  return *CurrentRuntime()->env;
}

const char* RuntimeFolder() {
  std::lock_guard<std::mutex> lock(runtime_mutex);
  return CurrentRuntime()->folder.c_str();
}

}  // namespace sentinode
