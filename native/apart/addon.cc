// Processes apart: memory and descriptors that they share, and what they may not do. Apart from the
// other addon, since a reader of exams must load neither ONNX Runtime nor oneDNN. Calls come on
// JavaScript's main thread of a process; all of them are short.
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <memory>
#include <string>

#include "apart/confine.h"
#include "apart/descriptors.h"
#include "apart/memory.h"
#include "apart/syscall_filter.h"
#include "binding/napi_setup.h"

namespace sentinode::apart {
namespace {

[[noreturn]] void ThrowErrno(Napi::Env env, const char* what) {
  throw Napi::Error::New(env, std::string(what) + ": " + std::strerror(errno));
}

double NumberAt(const Napi::CallbackInfo& info, size_t index) {
  if (!info[index].IsNumber()) throw Napi::TypeError::New(info.Env(), "expected a number");
  return info[index].As<Napi::Number>().DoubleValue();
}

int DescriptorAt(const Napi::CallbackInfo& info, size_t index) {
  return static_cast<int>(NumberAt(info, index));
}

/** Whole bytes, of what a mapping can have. */
size_t BytesAt(const Napi::CallbackInfo& info, size_t index) {
  const double bytes = NumberAt(info, index);
  if (!(bytes >= 1 && bytes <= 9007199254740991.0)) {
    throw Napi::RangeError::New(info.Env(), "expected a positive number of bytes");
  }
  return static_cast<size_t>(bytes);
}

/** A mapping that an ArrayBuffer shows; unmapped when it is asked for, or with the ArrayBuffer. */
class Mapping {
 public:
  Mapping(void* data, size_t bytes) : data_(data), bytes_(bytes) {}
  ~Mapping() { Release(); }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  void Release() {
    if (data_ != nullptr) Unmap(data_, bytes_);
    data_ = nullptr;
  }

 private:
  void* data_;
  size_t bytes_;
};

/** What is mapped now, by address. JavaScript's main thread only; never destroyed, since finalizers
 * come late. */
std::map<void*, Mapping*>& Mappings() {
  static auto& mappings = *std::make_unique<std::map<void*, Mapping*>>().release();
  return mappings;
}

void Finalize(Napi::Env, void* data, Mapping* mapping) {
  const std::unique_ptr<Mapping> ended(mapping);
  const auto found = Mappings().find(data);
  // Where it was unmapped before, the address may be another mapping's by now.
  if (found != Mappings().end() && found->second == mapping) Mappings().erase(found);
}

Napi::Value CreateMemoryCall(const Napi::CallbackInfo& info) {
  const int descriptor = CreateMemory(BytesAt(info, 0));
  if (descriptor < 0) ThrowErrno(info.Env(), "shared memory");
  return Napi::Number::New(info.Env(), descriptor);
}

Napi::Value MapCall(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const size_t bytes = BytesAt(info, 1);
  void* const data = Map(DescriptorAt(info, 0), bytes);
  if (data == nullptr) ThrowErrno(env, "mapping shared memory");
  auto mapping = std::make_unique<Mapping>(data, bytes);
  const auto buffer = Napi::ArrayBuffer::New(env, data, bytes, Finalize, mapping.get());
  Mappings()[data] = mapping.release();  // Finalize deletes it
  return buffer;
}

void UnmapCall(const Napi::CallbackInfo& info) {
  if (!info[0].IsArrayBuffer()) throw Napi::TypeError::New(info.Env(), "expected an ArrayBuffer");
  auto buffer = info[0].As<Napi::ArrayBuffer>();
  const auto found = Mappings().find(buffer.Data());
  if (found == Mappings().end()) return;
  Mapping* const mapping = found->second;
  Mappings().erase(found);
  // First no view may show it.
  buffer.Detach();
  mapping->Release();
}

Napi::Value SocketPairCall(const Napi::CallbackInfo& info) {
  int sockets[2];
  if (!SocketPair(sockets)) ThrowErrno(info.Env(), "a pair of sockets");
  Napi::Array pair = Napi::Array::New(info.Env(), 2);
  for (uint32_t i = 0; i < 2; ++i) pair[i] = Napi::Number::New(info.Env(), sockets[i]);
  return pair;
}

void SendCall(const Napi::CallbackInfo& info) {
  if (!SendDescriptor(DescriptorAt(info, 0), DescriptorAt(info, 1))) {
    ThrowErrno(info.Env(), "passing a descriptor");
  }
}

Napi::Value ReceiveCall(const Napi::CallbackInfo& info) {
  const int descriptor = ReceiveDescriptor(DescriptorAt(info, 0));
  if (descriptor < 0) ThrowErrno(info.Env(), "receiving a descriptor");
  return Napi::Number::New(info.Env(), descriptor);
}

Napi::Value ConfineCall(const Napi::CallbackInfo& info) {
  if (!Confine(static_cast<pid_t>(NumberAt(info, 0)), BytesAt(info, 1))) {
    ThrowErrno(info.Env(), "confining the process");
  }
  return Napi::Boolean::New(info.Env(), FilterSystemCalls());
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports["createMemory"] = Napi::Function::New<CreateMemoryCall>(env, "createMemory");
  exports["map"] = Napi::Function::New<MapCall>(env, "map");
  exports["unmap"] = Napi::Function::New<UnmapCall>(env, "unmap");
  exports["socketPair"] = Napi::Function::New<SocketPairCall>(env, "socketPair");
  exports["send"] = Napi::Function::New<SendCall>(env, "send");
  exports["receive"] = Napi::Function::New<ReceiveCall>(env, "receive");
  exports["confine"] = Napi::Function::New<ConfineCall>(env, "confine");
  return exports;
}

NODE_API_MODULE(sentinode_apart, Init)

}  // namespace
}  // namespace sentinode::apart
