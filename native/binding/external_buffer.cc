#include "binding/external_buffer.h"

#include <utility>

namespace sentinode {
namespace {

// What the finalizer takes back. Where Node refuses a buffer, it has run the finalizer, will run it
// later, or never will: it depends on the reason and the version. So the memory is let go here and
// the ticket is left to the finalizer; node-addon-api frees both at once, and the finalizer did so
// again.
struct Ticket {
  std::shared_ptr<const uint8_t> memory;
};

}  // namespace

Napi::Buffer<uint8_t> ExternalBuffer(Napi::Env env, std::shared_ptr<const uint8_t> memory,
                                     size_t bytes) {
  auto* const data = const_cast<uint8_t*>(memory.get());
  // Shared, so that it is here to be emptied even where the finalizer has run within the call.
  auto ticket = std::make_shared<Ticket>(Ticket{std::move(memory)});
  auto held = std::make_unique<std::shared_ptr<Ticket>>(ticket);
  const napi_finalize finalize = [](napi_env, void*, void* hint) {
    const std::unique_ptr<std::shared_ptr<Ticket>> owned(
        static_cast<std::shared_ptr<Ticket>*>(hint));
  };
  napi_value buffer = nullptr;
  const napi_status status =
      napi_create_external_buffer(env, bytes, data, finalize, held.release(), &buffer);
  if (status != napi_ok) {
    ticket->memory.reset();
    throw Napi::Error::New(env);
  }
  return Napi::Buffer<uint8_t>(env, buffer);
}

}  // namespace sentinode
