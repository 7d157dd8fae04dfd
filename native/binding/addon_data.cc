#include "binding/addon_data.h"

#include <string>

#include "binding/errors.h"

namespace sentinode {

const napi_type_tag kSessionTag{0x5e4d1b6c8a0f4f37, 0x9d2c6b7a1e53f801};
const napi_type_tag kInstanceTag{0x3b7f90c2d6e84a15, 0xa1c4e8f70b926d53};

void RequireTag(const Napi::CallbackInfo& info, const napi_type_tag& tag, const char* class_name) {
  if (!info.This().IsObject() || !info.This().As<Napi::Object>().CheckTypeTag(&tag)) {
    ThrowArgument(info.Env(), std::string("this: expected a ") + class_name);
  }
}

}  // namespace sentinode
