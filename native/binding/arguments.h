// Reading arguments: every property is always set, so one that reads as `undefined` is a mistake.
// Each function throws a TypeError with code INVALID_OPTION that names the property, what was
// expected and what was found.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "binding/napi_setup.h"

namespace sentinode {

// What `value` is, for messages: "undefined", "an array", "a string", ... Never its content.
std::string KindOf(const Napi::Value& value);

Napi::Object RequireObject(const Napi::CallbackInfo& info, size_t argument, const char* name);
Napi::Function RequireFunction(const Napi::CallbackInfo& info, size_t argument, const char* name);
// Any number but NaN.
double RequireNumber(const Napi::CallbackInfo& info, size_t argument, const char* name);

bool GetBoolean(const Napi::Object& from, const char* name);
// An integer in [minimum, maximum].
int64_t GetInteger(const Napi::Object& from, const char* name, int64_t minimum, int64_t maximum);
// Any number but NaN.
double GetNumber(const Napi::Object& from, const char* name);
std::string GetString(const Napi::Object& from, const char* name);
std::optional<std::string> GetStringOrNull(const Napi::Object& from, const char* name);
std::optional<Napi::Uint8Array> GetBytesOrNull(const Napi::Object& from, const char* name);
Napi::Array GetArray(const Napi::Object& from, const char* name);
std::map<std::string, std::string> GetStringMap(const Napi::Object& from, const char* name);

// The value that stands beside the text found, e.g. {{"cpu", kCpu}, {"cuda", kCuda}}.
template <typename T>
T GetChoice(const Napi::Object& from, const char* name,
            std::initializer_list<std::pair<const char*, T>> choices);

// An integer element of an array; `name` is what the array is called in messages.
int64_t IntegerAt(const Napi::Array& array, uint32_t index, const char* name, int64_t minimum,
                  int64_t maximum);

[[noreturn]] void ThrowChoice(Napi::Env env, const char* name, const std::string& choices);

template <typename T>
T GetChoice(const Napi::Object& from, const char* name,
            std::initializer_list<std::pair<const char*, T>> choices) {
  const std::string found = GetString(from, name);
  std::string known;
  for (const auto& [text, value] : choices) {
    if (found == text) return value;
    known += (known.empty() ? "" : ", ") + std::string(text);
  }
  ThrowChoice(from.Env(), name, known);
}

}  // namespace sentinode
