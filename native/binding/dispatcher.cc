#include "binding/dispatcher.h"

#include <utility>

namespace sentinode {

std::shared_ptr<Dispatcher> Dispatcher::Create(Napi::Env env) {
  std::shared_ptr<Dispatcher> dispatcher(new Dispatcher());
  // The function's finalizer runs last, so it holds the dispatcher until then.
  auto keep = std::make_unique<std::shared_ptr<Dispatcher>>(dispatcher);
  const napi_status status = napi_create_threadsafe_function(
      env, nullptr, nullptr, Napi::String::New(env, "sentinode"), 0, 1, keep.get(), Finalize,
      nullptr, Call, &dispatcher->function_);
  NAPI_THROW_IF_FAILED(env, status, nullptr);
  keep.release();  // Finalize takes it back
  napi_unref_threadsafe_function(env, dispatcher->function_);
  return dispatcher;
}

void Dispatcher::Post(Event event) {
  auto owned = std::make_unique<Event>(std::move(event));
  std::lock_guard<std::mutex> lock(mutex_);
  if (function_ == nullptr) return;
  const napi_status status =
      napi_call_threadsafe_function(function_, owned.get(), napi_tsfn_nonblocking);
  if (status == napi_ok) {
    owned.release();  // Call takes it back
  } else {
    function_ = nullptr;
  }
}

void Dispatcher::Hold(Napi::Env env) {
  if (holders_++ == 0 && function_ != nullptr) napi_ref_threadsafe_function(env, function_);
}

void Dispatcher::Release(Napi::Env env) {
  if (--holders_ == 0 && function_ != nullptr) napi_unref_threadsafe_function(env, function_);
}

void Dispatcher::Call(napi_env env, napi_value, void*, void* data) {
  const std::unique_ptr<Event> event(static_cast<Event*>(data));
  if (env == nullptr) return;  // the environment is going away
  try {
    (*event)(Napi::Env(env));
  } catch (const Napi::Error& error) {
    error.ThrowAsJavaScriptException();
  }
}

void Dispatcher::Finalize(napi_env, void* data, void*) {
  const std::unique_ptr<std::shared_ptr<Dispatcher>> kept(
      static_cast<std::shared_ptr<Dispatcher>*>(data));
  std::lock_guard<std::mutex> lock((*kept)->mutex_);
  (*kept)->function_ = nullptr;
}

}  // namespace sentinode
