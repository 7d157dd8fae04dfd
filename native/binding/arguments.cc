#include "binding/arguments.h"

#include <cmath>

#include "binding/errors.h"

namespace sentinode {
namespace {

[[noreturn]] void Mismatch(const Napi::Value& found, const char* name,
                           const std::string& expected) {
  ThrowArgument(found.Env(),
                std::string(name) + ": expected " + expected + ", found " + KindOf(found));
}

int64_t ToInteger(const Napi::Value& value, const char* name, int64_t minimum, int64_t maximum) {
  const auto expected = [minimum, maximum] {
    return "an integer from " + std::to_string(minimum) + " to " + std::to_string(maximum);
  };
  if (!value.IsNumber()) Mismatch(value, name, expected());
  const double number = value.As<Napi::Number>().DoubleValue();
  const bool fits =
      number >= static_cast<double>(minimum) && number <= static_cast<double>(maximum);
  if (!fits || number != std::trunc(number)) {
    ThrowArgument(value.Env(), std::string(name) + ": expected " + expected());
  }
  return static_cast<int64_t>(number);
}

double ToNumber(const Napi::Value& value, const char* name) {
  if (!value.IsNumber()) Mismatch(value, name, "a number");
  const double number = value.As<Napi::Number>().DoubleValue();
  if (std::isnan(number))
    ThrowArgument(value.Env(), std::string(name) + ": expected a number, found NaN");
  return number;
}

}  // namespace

std::string KindOf(const Napi::Value& value) {
  if (value.IsNull()) return "null";
  if (value.IsArray()) return "an array";
  if (value.IsTypedArray()) return "a typed array of another kind";
  switch (value.Type()) {
    case napi_undefined:
      return "undefined";
    case napi_boolean:
      return "a boolean";
    case napi_number:
      return "a number";
    case napi_string:
      return "a string";
    case napi_function:
      return "a function";
    case napi_object:
      return "an object";
    default:
      return "a value of another kind";
  }
}

Napi::Object RequireObject(const Napi::CallbackInfo& info, size_t argument, const char* name) {
  if (!info[argument].IsObject() || info[argument].IsFunction()) {
    Mismatch(info[argument], name, "an object");
  }
  return info[argument].As<Napi::Object>();
}

Napi::Function RequireFunction(const Napi::CallbackInfo& info, size_t argument, const char* name) {
  if (!info[argument].IsFunction()) Mismatch(info[argument], name, "a function");
  return info[argument].As<Napi::Function>();
}

double RequireNumber(const Napi::CallbackInfo& info, size_t argument, const char* name) {
  return ToNumber(info[argument], name);
}

bool GetBoolean(const Napi::Object& from, const char* name) {
  const Napi::Value value = from.Get(name);
  if (!value.IsBoolean()) Mismatch(value, name, "a boolean");
  return value.As<Napi::Boolean>();
}

int64_t GetInteger(const Napi::Object& from, const char* name, int64_t minimum, int64_t maximum) {
  return ToInteger(from.Get(name), name, minimum, maximum);
}

double GetNumber(const Napi::Object& from, const char* name) {
  return ToNumber(from.Get(name), name);
}

std::string GetString(const Napi::Object& from, const char* name) {
  const Napi::Value value = from.Get(name);
  if (!value.IsString()) Mismatch(value, name, "a string");
  return value.As<Napi::String>().Utf8Value();
}

std::optional<std::string> GetStringOrNull(const Napi::Object& from, const char* name) {
  const Napi::Value value = from.Get(name);
  if (value.IsNull()) return std::nullopt;
  if (!value.IsString()) Mismatch(value, name, "a string or null");
  return value.As<Napi::String>().Utf8Value();
}

std::optional<Napi::Uint8Array> GetBytesOrNull(const Napi::Object& from, const char* name) {
  const Napi::Value value = from.Get(name);
  if (value.IsNull()) return std::nullopt;
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    Mismatch(value, name, "a Uint8Array or null");
  }
  return value.As<Napi::Uint8Array>();
}

Napi::Array GetArray(const Napi::Object& from, const char* name) {
  const Napi::Value value = from.Get(name);
  if (!value.IsArray()) Mismatch(value, name, "an array");
  return value.As<Napi::Array>();
}

std::map<std::string, std::string> GetStringMap(const Napi::Object& from, const char* name) {
  const Napi::Value value = from.Get(name);
  if (!value.IsObject() || value.IsArray()) Mismatch(value, name, "an object of strings");
  const Napi::Object object = value.As<Napi::Object>();
  const Napi::Array keys = object.GetPropertyNames();
  std::map<std::string, std::string> result;
  for (uint32_t i = 0; i < keys.Length(); ++i) {
    const std::string key = keys.Get(i).ToString();
    result[key] = GetString(object, key.c_str());
  }
  return result;
}

int64_t IntegerAt(const Napi::Array& array, uint32_t index, const char* name, int64_t minimum,
                  int64_t maximum) {
  return ToInteger(array.Get(index), name, minimum, maximum);
}

void ThrowChoice(Napi::Env env, const char* name, const std::string& choices) {
  ThrowArgument(env, std::string(name) + ": expected one of " + choices);
}

}  // namespace sentinode
