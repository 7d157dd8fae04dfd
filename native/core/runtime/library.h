// The ONNX Runtime library, opened at run time from a path, so that one addon serves any build of
// it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/base/status.h"

namespace sentinode {

struct RuntimeInfo {
  std::string version;
  int api_version = 0;
  std::vector<std::string> providers;
  std::optional<std::string> onednn;  // "2.6.3", nothing where built without the 4D operators
};

// Opens the library and asks it for API 21. Once per process: a second call with the same file
// gives the same answer, with another file it fails. Any thread. Errors: RUNTIME_NOT_FOUND,
// RUNTIME_TOO_OLD, INVALID_OPTION (another library is loaded).
Result<RuntimeInfo> LoadRuntime(const std::string& path);

// RUNTIME_NOT_FOUND until LoadRuntime has succeeded.
Status RequireRuntime();

}  // namespace sentinode
