#include "core/runtime/ort_failure.h"

#include <string>
#include <string_view>

namespace sentinode {
namespace {

constexpr size_t kLongestName = 200;

bool StartsWith(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

bool Has(std::string_view text, std::string_view word) {
  return text.find(word) != std::string_view::npos;
}

// The kind of failure, and what can be done about it.
const char* Reason(OrtErrorCode code, std::string_view text) {
  if (Has(text, "shape") || Has(text, "imension") || Has(text, "broadcast")) {
    return "it was given shapes that do not fit; send inputs of the sizes that the network was "
           "exported for, or export it with these sizes left open (dynamic axes)";
  }
  if (Has(text, "bounds") || Has(text, "out of range") || Has(text, "inclusive range")) {
    return "it was given an index outside of what it selects from";
  }
  if (StartsWith(text, "sto")) return "it was given text that is no number";
  switch (code) {
    case ORT_INVALID_ARGUMENT:
      return "it does not take the values that it was given";
    case ORT_NOT_IMPLEMENTED:
      return "it is not implemented for what it was given";
    case ORT_EP_FAIL:
      return "its execution provider failed";
    default:
      return "send values that the network was made for";
  }
}

bool TakePrefix(std::string_view& text, std::string_view prefix) {
  if (!StartsWith(text, prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

// The part of `text` before `end`, which are both taken off; false where there is no `end`.
bool TakeUntil(std::string_view& text, std::string_view end, std::string_view& taken) {
  const size_t at = text.find(end);
  if (at == std::string_view::npos) return false;
  taken = text.substr(0, at);
  text.remove_prefix(at + end.size());
  return true;
}

struct FailedNode {
  std::string_view operation, name;
};

// Takes the nodes that a text begins with off it, outermost first, and gives the last: a node of a
// subgraph comes after the Loop or If that runs it. Never looks further into the text, which may
// quote what a request says.
FailedNode TakeNodes(std::string_view& text) {
  FailedNode node;
  while (TakePrefix(text, "Non-zero status code returned while running ")) {
    if (!TakeUntil(text, " node. Name:'", node.operation)) break;
    if (!TakeUntil(text, "' Status Message: ", node.name)) break;
  }
  return node;
}

}  // namespace

Status RunFailure(const Ort::Exception& error) {
  std::string_view text = error.what();
  const FailedNode node = TakeNodes(text);
  std::string where = "the run";
  if (!node.operation.empty()) where = node.operation.substr(0, kLongestName);
  if (!node.name.empty()) where += " \"" + std::string(node.name.substr(0, kLongestName)) + "\"";
  if (Has(text, "bad_alloc") || Has(text, "Failed to allocate memory")) {
    return {"MEMORY_LIMIT", where + " failed: the machine has no memory left for it"};
  }
  return {"MODEL_RUN_FAILED", where + " failed: " + Reason(error.GetOrtErrorCode(), text)};
}

}  // namespace sentinode
