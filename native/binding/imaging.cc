#include "binding/imaging.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "binding/arguments.h"
#include "binding/errors.h"
#include "binding/external_buffer.h"
#include "core/base/cancel.h"
#include "core/imaging/preprocess.h"

namespace sentinode {
namespace {

using imaging::PreprocessOptions;
using imaging::PreprocessReport;

constexpr int64_t kLargestSide = 1 << 15;

std::vector<double> GetNumbers(const Napi::Object& from, const char* name, size_t count) {
  const Napi::Value value = from.Get(name);
  const bool doubles =
      value.IsTypedArray() && value.As<Napi::TypedArray>().TypedArrayType() == napi_float64_array;
  if (!doubles || value.As<Napi::Float64Array>().ElementLength() != count) {
    ThrowArgument(from.Env(), std::string(name) + ": expected a Float64Array of " +
                                  std::to_string(count) + " numbers, found " + KindOf(value));
  }
  const auto numbers = value.As<Napi::Float64Array>();
  return {numbers.Data(), numbers.Data() + count};
}

std::vector<int64_t> GetSides(const Napi::Object& from, const char* name, uint32_t count) {
  const Napi::Array array = GetArray(from, name);
  if (array.Length() != count) {
    ThrowArgument(from.Env(), std::string(name) + ": expected " + std::to_string(count) + " sizes");
  }
  std::vector<int64_t> sides;
  for (uint32_t i = 0; i < count; ++i) sides.push_back(IntegerAt(array, i, name, 1, kLargestSide));
  return sides;
}

imaging::Affine GetAffine(const Napi::Object& from, const char* name) {
  const std::vector<double> numbers = GetNumbers(from, name, 16);
  imaging::Affine affine;
  std::copy(numbers.begin(), numbers.end(), affine.begin());
  return affine;
}

imaging::SampleType SampleTypeOf(const Napi::Value& samples) {
  if (samples.IsTypedArray()) {
    switch (samples.As<Napi::TypedArray>().TypedArrayType()) {
      case napi_int16_array:
        return imaging::SampleType::kInt16;
      case napi_uint16_array:
        return imaging::SampleType::kUint16;
      case napi_float32_array:
        return imaging::SampleType::kFloat32;
      default:
        break;
    }
  }
  ThrowArgument(
      samples.Env(),
      "samples: expected an Int16Array, Uint16Array or Float32Array, found " + KindOf(samples));
}

imaging::VolumeView ReadVolume(const Napi::Object& options) {
  const Napi::Value value = options.Get("samples");
  imaging::VolumeView volume;
  volume.type = SampleTypeOf(value);
  const auto samples = value.As<Napi::TypedArray>();
  const std::vector<int64_t> shape = GetSides(options, "shape", 4);
  volume.phases = shape[0];
  volume.extent = {shape[1], shape[2], shape[3]};
  // Each side has at most 15 bits, so the product of four fits.
  const int64_t count = volume.phases * volume.extent.voxels();
  if (samples.ElementLength() != static_cast<size_t>(count)) {
    ThrowArgument(options.Env(), "samples: expected " + std::to_string(count) +
                                     " as the shape says, found " +
                                     std::to_string(samples.ElementLength()));
  }
  const auto frames = static_cast<size_t>(volume.phases * volume.extent.depth);
  volume.slopes = GetNumbers(options, "slopes", frames);
  volume.intercepts = GetNumbers(options, "intercepts", frames);
  volume.affine = GetAffine(options, "affine");
  const auto* first =
      static_cast<const uint8_t*>(samples.ArrayBuffer().Data()) + samples.ByteOffset();
  const size_t frame_bytes = samples.ByteLength() / frames;
  for (size_t i = 0; i < frames; ++i) volume.slices.push_back(first + i * frame_bytes);
  return volume;
}

PreprocessOptions ReadOptions(const Napi::Object& options) {
  using imaging::Domain;
  using imaging::PhaseScope;
  using imaging::Scaling;
  PreprocessOptions result;
  result.volume = ReadVolume(options);
  const std::vector<int64_t> grid = GetSides(options, "gridShape", 3);
  result.grid = {{grid[0], grid[1], grid[2]}, GetAffine(options, "gridAffine")};
  const Napi::Array phases = GetArray(options, "phases");
  for (uint32_t i = 0; i < phases.Length(); ++i) {
    const Napi::Value phase = phases.Get(i);
    if (!phase.IsObject()) ThrowArgument(options.Env(), "phases: expected objects");
    const auto blend = phase.As<Napi::Object>();
    result.phases.push_back({GetInteger(blend, "first", 0, kLargestSide),
                             GetInteger(blend, "second", 0, kLargestSide),
                             GetNumber(blend, "weight")});
  }
  result.intensity.scaling = GetChoice<Scaling>(options, "scaling",
                                                {{"none", Scaling::kNone},
                                                 {"zscore", Scaling::kZScore},
                                                 {"percentile", Scaling::kPercentile}});
  result.intensity.domain =
      GetChoice<Domain>(options, "domain", {{"crop", Domain::kCrop}, {"volume", Domain::kVolume}});
  result.intensity.scope = GetChoice<PhaseScope>(
      options, "scope",
      {{"all", PhaseScope::kAll}, {"first", PhaseScope::kFirst}, {"each", PhaseScope::kEach}});
  result.intensity.lower_percentile = GetNumber(options, "lowerPercentile");
  result.intensity.upper_percentile = GetNumber(options, "upperPercentile");
  result.intensity.clip = GetBoolean(options, "clip");
  result.outside.nearest = options.Get("outside").IsNull();
  if (!result.outside.nearest) result.outside.value = GetNumber(options, "outside");
  result.threads = static_cast<int>(GetInteger(options, "threads", 1, 1024));
  return result;
}

Napi::Array ToArray(Napi::Env env, const std::vector<double>& numbers) {
  Napi::Array array = Napi::Array::New(env, numbers.size());
  for (uint32_t i = 0; i < numbers.size(); ++i) array[i] = Napi::Number::New(env, numbers[i]);
  return array;
}

class PreprocessWorker final : public Napi::AsyncWorker {
 public:
  PreprocessWorker(Napi::Env env, PreprocessOptions options, const Napi::Object& samples,
                   std::shared_ptr<std::atomic<bool>> cancelled)
      : AsyncWorker(env, "sentinode.preprocess"),
        deferred_(Napi::Promise::Deferred::New(env)),
        options_(std::move(options)),
        samples_(Napi::Persistent(samples)),
        cancelled_(std::move(cancelled)) {}

  Napi::Promise promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override {
    Result<int64_t> size = imaging::PreprocessSize(options_);
    if (!size.ok()) {
      result_ = size.status();
      return;
    }
    size_ = static_cast<size_t>(size.value());
    constexpr size_t kLargest = SIZE_MAX / sizeof(float) / 2;
    if (size_ <= kLargest) {
      out_.reset(static_cast<uint8_t*>(std::malloc(size_ * sizeof(float))), std::free);
    }
    if (out_ == nullptr) {
      result_ = Status("MEMORY_LIMIT", "no memory for a tensor of the grid's size");
      return;
    }
    const CancelScope scope(cancelled_.get());
    result_ = imaging::Preprocess(options_, reinterpret_cast<float*>(out_.get()));
  }

  void OnOK() override {
    const Napi::Env env = Env();
    if (!result_.ok()) {
      deferred_.Reject(ToError(env, result_.status()).Value());
      return;
    }
    try {
      deferred_.Resolve(ToObject(env, result_.value()));
    } catch (const Napi::Error& error) {
      // Thrown out of here it would end the process, and nobody would hear of the exam.
      const Status status("MEMORY_LIMIT", "the grid fits into no Buffer: " + error.Message());
      deferred_.Reject(ToError(env, status).Value());
    }
  }

  void OnError(const Napi::Error& error) override { deferred_.Reject(error.Value()); }

 private:
  Napi::Object ToObject(Napi::Env env, const PreprocessReport& report) {
    const auto bytes = ExternalBuffer(env, std::move(out_), size_ * sizeof(float));
    std::vector<double> offsets;
    std::vector<double> scales;
    for (const imaging::Rescaling& rescaling : report.rescaling) {
      offsets.push_back(rescaling.offset);
      scales.push_back(rescaling.scale);
    }
    Napi::Object object = Napi::Object::New(env);
    object["data"] = Napi::Float32Array::New(env, size_, bytes.ArrayBuffer(), bytes.ByteOffset());
    object["offsets"] = ToArray(env, offsets);
    object["scales"] = ToArray(env, scales);
    object["phaseMeans"] = ToArray(env, report.phase_means);
    object["outsideFraction"] = Napi::Number::New(env, report.outside_fraction);
    return object;
  }

  Napi::Promise::Deferred deferred_;
  PreprocessOptions options_;
  Napi::ObjectReference samples_;  // keeps the memory that options_ points into
  std::shared_ptr<std::atomic<bool>> cancelled_;
  std::shared_ptr<uint8_t> out_;
  size_t size_ = 0;
  Result<PreprocessReport> result_{Status("INTERNAL", "the worker did not run")};
};

}  // namespace

Napi::Value PreprocessAsync(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Napi::Object options = RequireObject(info, 0, "options");
  PreprocessOptions read = ReadOptions(options);
  ThrowIfError(env, imaging::PreprocessSize(read).status());
  auto cancelled = std::make_shared<std::atomic<bool>>(false);
  auto worker = std::make_unique<PreprocessWorker>(
      env, std::move(read), options.Get("samples").As<Napi::Object>(), cancelled);
  Napi::Object result = Napi::Object::New(env);
  result["result"] = worker->promise();
  result["cancel"] = Napi::Function::New(
      env, [cancelled](const Napi::CallbackInfo&) { cancelled->store(true); }, "cancel");
  worker->Queue();
  worker.release();  // deletes itself when it has settled the promise
  return result;
}

}  // namespace sentinode
