// From native threads to JavaScript's: one thread-safe function per environment.
#pragma once

#include <functional>
#include <memory>
#include <mutex>

#include "binding/napi_setup.h"

namespace sentinode {

class Dispatcher {
 public:
  // Runs on JavaScript's thread, inside a handle scope.
  using Event = std::function<void(Napi::Env)>;

  static std::shared_ptr<Dispatcher> Create(Napi::Env env);

  // Any thread. Events run in the order in which they were posted; they are dropped, without being
  // run, once the environment is going away.
  void Post(Event event);

  // JavaScript's thread. The process stays alive while there are more calls of Hold than of
  // Release: somebody waits for an event.
  void Hold(Napi::Env env);
  void Release(Napi::Env env);

 private:
  Dispatcher() = default;
  static void Call(napi_env env, napi_value, void*, void* data);
  static void Finalize(napi_env, void* data, void*);

  std::mutex mutex_;
  napi_threadsafe_function function_ = nullptr;  // null once the environment is going away
  size_t holders_ = 0;
};

}  // namespace sentinode
