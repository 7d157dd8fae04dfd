// Sessions and batches for tests that need ONNX Runtime.
#pragma once

#include <gtest/gtest.h>

#include <condition_variable>
#include <cstdlib>
#include <limits>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "core/runtime/library.h"
#include "core/runtime/model_instance.h"
#include "core/runtime/session.h"

namespace sentinode::testing {

constexpr double kNever = std::numeric_limits<double>::infinity();
// Longer than any test would wait.
constexpr int64_t kEndless = 1'000'000'000'000;

inline std::string RuntimePath() {
  const char* path = std::getenv("SENTINODE_ONNXRUNTIME");
  return path != nullptr ? path
                         : SENTINODE_ROOT
             "/node_modules/onnxruntime-node/bin/napi-v6/linux/x64/libonnxruntime.so.1";
}

// The fixture tests/fixtures/engine/<name>.onnx.
inline SessionOptions OptionsFor(const std::string& name) {
  SessionOptions options;
  options.model_path = std::string(SENTINODE_FIXTURES) + "/engine/" + name + ".onnx";
  return options;
}

inline std::shared_ptr<Session> OpenSession(const std::string& name) {
  const Result<RuntimeInfo> runtime = LoadRuntime(RuntimePath());
  EXPECT_TRUE(runtime.ok()) << runtime.status().message();
  Result<std::shared_ptr<Session>> session = Session::Create(OptionsFor(name));
  EXPECT_TRUE(session.ok()) << session.status().message();
  return session.ok() ? session.value() : nullptr;
}

template <typename T>
ByteView View(const std::vector<T>& values) {
  return {reinterpret_cast<const uint8_t*>(values.data()), values.size() * sizeof(T)};
}

inline std::vector<float> Floats(const Output& output) {
  const auto* data = reinterpret_cast<const float*>(output.data.get());
  return {data, data + output.size / sizeof(float)};
}

// Waits for one batch.
class Waiter {
 public:
  BatchDone done() {
    return [this](BatchResult result) {
      std::lock_guard<std::mutex> lock(mutex_);
      result_ = std::move(result);
      done_ = true;
      changed_.notify_all();
    };
  }

  BatchResult& Wait() {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return done_; });
    return result_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool done_ = false;
  BatchResult result_;
};

}  // namespace sentinode::testing
