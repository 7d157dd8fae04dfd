#include "binding/process_exit.h"

#include <pthread.h>
#include <unistd.h>

#include <chrono>
#include <system_error>
#include <thread>

#include "binding/arguments.h"
#include "binding/errors.h"

namespace sentinode {

// process.exit waits for libuv's threads, for instances that the environment's cleanup stops, and
// for destructors of libraries; a thread that never comes back holds any of them up. _exit waits
// for nobody, and a thread of its own waits for no event loop.
void ExitAfter(const Napi::CallbackInfo& info) {
  constexpr double kMostMs = 1e9;
  const double milliseconds = RequireNumber(info, 0, "milliseconds");
  const double code = RequireNumber(info, 1, "code");
  if (!(milliseconds >= 0 && milliseconds <= kMostMs) || !(code >= 0 && code <= 255)) {
    ThrowArgument(info.Env(), "exitAfter: expected milliseconds up to 1e9 and a code up to 255");
  }
  try {
    std::thread([milliseconds, status = static_cast<int>(code)] {
      pthread_setname_np(pthread_self(), "sn-exit");
      std::this_thread::sleep_for(std::chrono::duration<double, std::milli>(milliseconds));
      _exit(status);
    }).detach();
  } catch (const std::system_error&) {
    ThrowIfError(info.Env(), {"MEMORY_LIMIT", "the machine has no thread left"});
  }
}

}  // namespace sentinode
