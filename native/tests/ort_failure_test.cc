#include "core/runtime/ort_failure.h"

#include <gtest/gtest.h>

#include <string>

namespace sentinode {
namespace {

constexpr char kIn[] = "Non-zero status code returned while running ";

Status FailedRun(const std::string& text, OrtErrorCode code = ORT_INVALID_ARGUMENT) {
  return RunFailure(Ort::Exception(std::string(text), code));
}

TEST(OrtFailureTest, ARunThatFailedNamesItsNodeAndNoValue) {
  const Status status =
      FailedRun(std::string(kIn) +
                "Gather node. Name:'pick' Status Message: indices element out of data "
                "bounds, idx=4711 must be within the inclusive range [-4,3]");
  EXPECT_EQ(status.code(), "MODEL_RUN_FAILED");
  EXPECT_EQ(status.message(),
            "Gather \"pick\" failed: it was given an index outside of what it selects from");
}

TEST(OrtFailureTest, TheInnermostNodeIsNamedAndNothingThatARequestSays) {
  const std::string loop = std::string(kIn) + "Loop node. Name:'repeat' Status Message: ";
  const std::string node = std::string(kIn) + "Cast node. Name:'to_number' Status Message: ";
  const std::string said = "cannot read '" + std::string(kIn) +
                           "Secret node. Name:'of a patient' Status Message: ' as a number";
  EXPECT_EQ(FailedRun(loop + node + said, ORT_FAIL).message(),
            "Cast \"to_number\" failed: send values that the network was made for");
  EXPECT_EQ(FailedRun(said, ORT_RUNTIME_EXCEPTION).message(),
            "the run failed: send values that the network was made for");
}

TEST(OrtFailureTest, MemoryThatRanOutIsAMemoryLimit) {
  const std::string arena =
      "/onnxruntime_src/onnxruntime/core/framework/bfc_arena.cc:359 void* "
      "onnxruntime::BFCArena::AllocateRawInternal(size_t, onnxruntime::Stream*, bool) Failed to "
      "allocate memory for requested buffer of size 1152921504606846976";
  const Status status = FailedRun(
      std::string(kIn) + "Expand node. Name:'e' Status Message: " + arena, ORT_RUNTIME_EXCEPTION);
  EXPECT_EQ(status.code(), "MEMORY_LIMIT");
  EXPECT_EQ(status.message(), "Expand \"e\" failed: the machine has no memory left for it");
}

TEST(OrtFailureTest, TheKindOfFailureIsTold) {
  const auto cast = [](const std::string& reason) {
    return FailedRun(std::string(kIn) + "Cast node. Name:'' Status Message: " + reason, ORT_FAIL)
        .message();
  };
  EXPECT_EQ(cast("stod"), "Cast failed: it was given text that is no number");
  EXPECT_EQ(cast("axis == 1 was false. Attempting to broadcast an axis. 3 by 4").substr(0, 55),
            "Cast failed: it was given shapes that do not fit; send ");
}

}  // namespace
}  // namespace sentinode
