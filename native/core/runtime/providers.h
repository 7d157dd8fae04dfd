// Execution providers, from one plain options structure.
#pragma once

#include <map>
#include <string>

#include "core/base/status.h"

namespace Ort {
struct SessionOptions;
}

namespace sentinode {

enum class Provider { kCpu, kCuda, kTensorRt };

struct ProviderOptions {
  Provider provider = Provider::kCpu;
  int device_id = 0;
  // Handed on as they are, e.g. trt_engine_cache_path. device_id above wins over one in here.
  std::map<std::string, std::string> options;
};

// Whether this machine has what the provider needs. Loads the system's libraries to see.
// Errors: PROVIDER_UNAVAILABLE with everything that is missing.
Status CheckProvider(Provider provider);

// Adds the provider asked for and no other (nodes that it does not have run on the CPU, as
// everywhere in ONNX Runtime). Errors: PROVIDER_UNAVAILABLE with everything that is missing;
// INVALID_OPTION.
Status AppendProvider(Ort::SessionOptions& session, const ProviderOptions& options);

}  // namespace sentinode
