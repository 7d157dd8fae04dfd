// The custom operators of the domain "sentinode", for ONNX Runtime.
#pragma once

#include <memory>
#include <string>

struct OrtApi;
struct OrtSessionOptions;

namespace sentinode {

struct OperatorSettings {
  std::string
      folder;  // of the compiled model, where its side files lie; "" for a model without a file
  int threads = 1;  // OpenMP threads of a run
};

// The operators of one session and what they know of themselves. Must outlive the session.
class Operators {
 public:
  virtual ~Operators() = default;
  // Of all regions, in bytes; 0 without regions.
  virtual size_t planned_bytes() const = 0;
  // A JSON array: the report of each region, as ops/region.h describes it.
  virtual std::string ReportJson() const = 0;
};

// Adds the operators to a session that is about to be created. Throws Ort::Exception where ONNX
// Runtime refuses. ONNX Runtime's library must be loaded and its API table set.
std::shared_ptr<Operators> RegisterOperators(OrtSessionOptions* options, const OrtApi* api,
                                             const OperatorSettings& settings);

}  // namespace sentinode
