#include "binding/ceiling.h"

#include <chrono>
#include <memory>

#include "binding/arguments.h"
#include "binding/errors.h"

#ifdef SENTINODE_HAVE_ONEDNN
#include "core/ops/onednn.h"
#include "core/ops/parallel.h"
#endif

namespace sentinode {

Napi::Value MatrixProductSeconds(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const double size = info[0].IsNumber() ? info[0].As<Napi::Number>().DoubleValue() : 0;
  const double threads = info[1].IsNumber() ? info[1].As<Napi::Number>().DoubleValue() : 0;
  if (!(size >= 1 && size <= 8192) || !(threads >= 1 && threads <= 1024)) {
    ThrowArgument(env, "matrixProduct: expected a size up to 8192 and 1 thread or more");
  }
#ifdef SENTINODE_HAVE_ONEDNN
  const ops::ThreadScope scope(static_cast<int>(threads));
  ops::MatrixProduct product(static_cast<int64_t>(size));
  product.Run();  // the first makes its code and touches its memory
  const auto start = std::chrono::steady_clock::now();
  product.Run();
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
  return Napi::Number::New(env, taken.count());
#else
  ThrowIfError(env, {"NOT_IMPLEMENTED", "matrixProduct: this build is without oneDNN"});
  return env.Undefined();
#endif
}

}  // namespace sentinode
