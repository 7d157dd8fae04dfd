#include "core/ops/register.h"

#include <onnxruntime_cxx_api.h>

#include <algorithm>
#include <mutex>
#include <utility>
#include <vector>

#include "core/base/operator_failure.h"
#include "core/base/pages.h"
#include "core/ops/region.h"

namespace sentinode {
namespace {

using ops::Region;
using ops::RegionOptions;
using ops::Volume;

class SessionOperators;

Ort::Status ToOrt(const Status& status) {
  operator_failure = status;
  return Ort::Status((status.code() + ": " + status.message()).c_str(), ORT_FAIL);
}

class RegionKernel {
 public:
  explicit RegionKernel(std::shared_ptr<Region> region) : region_(std::move(region)) {}

  // On the thread that called Run.
  OrtStatusPtr ComputeV2(OrtKernelContext* context);

 private:
  std::shared_ptr<Region> region_;
};

// The size of one row of an input, and the number of rows.
Status ReadShape(const std::vector<int64_t>& shape, const ops::PlanInput& input, int64_t* rows,
                 Volume* volume) {
  if (shape.size() != 6 || shape[1] != input.channels) {
    return Status("INVALID_REQUEST", "a 4D region expected an input [N," +
                                         std::to_string(input.channels) + ",T,D,H,W]");
  }
  if (*rows >= 0 && *rows != shape[0]) {
    return Status("INVALID_REQUEST", "the inputs of a 4D region differ in their batch");
  }
  *rows = shape[0];
  *volume = {shape[1], shape[2], shape[3], shape[4], shape[5]};
  return Status::Ok();
}

OrtStatusPtr RegionKernel::ComputeV2(OrtKernelContext* raw) try {
  Ort::KernelContext context(raw);
  const ops::Plan& plan = region_->plan();
  if (context.GetInputCount() != plan.inputs.size() ||
      context.GetOutputCount() != plan.outputs.size()) {
    const Status status("MODEL_INVALID", "a 4D region has other inputs or outputs than its plan");
    return ToOrt(status).release();
  }
  int64_t rows = -1;
  std::vector<Volume> volumes(plan.inputs.size());
  std::vector<const float*> inputs(plan.inputs.size());
  for (size_t i = 0; i < plan.inputs.size(); ++i) {
    const Ort::ConstValue value = context.GetInput(i);
    const Status status =
        ReadShape(value.GetTensorTypeAndShapeInfo().GetShape(), plan.inputs[i], &rows, &volumes[i]);
    if (!status.ok()) return ToOrt(status).release();
    inputs[i] = value.GetTensorData<float>();
  }
  auto program = region_->Prepare(volumes);
  if (!program.ok()) return ToOrt(program.status()).release();
  std::vector<float*> outputs(plan.outputs.size());
  for (size_t i = 0; i < plan.outputs.size(); ++i) {
    const Volume& v = program.value()->output_volume(i);
    outputs[i] =
        context.GetOutput(i, {rows, v.c, v.t, v.d, v.h, v.w}).GetTensorMutableData<float>();
    PreferLargePages(outputs[i], static_cast<size_t>(rows * v.elements()) * sizeof(float));
  }
  const Status status = region_->Run(*program.value(), rows, inputs, outputs);
  return status.ok() ? nullptr : ToOrt(status).release();
} catch (const Ort::Exception& error) {
  return Ort::Status(error.what(), error.GetOrtErrorCode()).release();
} catch (const std::exception& error) {
  return Ort::Status(error.what(), ORT_FAIL).release();
}

class RegionOperator : public Ort::CustomOpBase<RegionOperator, RegionKernel, true> {
 public:
  // The version that the runtime is asked for, whatever the headers are.
  explicit RegionOperator(SessionOperators* session) : session_(session) { version = 21; }

  OrtStatusPtr CreateKernelV2(const OrtApi&, const OrtKernelInfo* info, void** kernel) const;

  const char* GetName() const { return "Region4D"; }
  const char* GetExecutionProviderType() const { return "CPUExecutionProvider"; }
  size_t GetInputTypeCount() const { return 1; }
  ONNXTensorElementDataType GetInputType(size_t) const {
    return ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT;
  }
  OrtCustomOpInputOutputCharacteristic GetInputCharacteristic(size_t) const {
    return OrtCustomOpInputOutputCharacteristic::INPUT_OUTPUT_VARIADIC;
  }
  size_t GetOutputTypeCount() const { return 1; }
  ONNXTensorElementDataType GetOutputType(size_t) const {
    return ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT;
  }
  OrtCustomOpInputOutputCharacteristic GetOutputCharacteristic(size_t) const {
    return OrtCustomOpInputOutputCharacteristic::INPUT_OUTPUT_VARIADIC;
  }

 private:
  SessionOperators* session_;
};

class SessionOperators : public Operators {
 public:
  explicit SessionOperators(const OperatorSettings& settings)
      : settings_(settings), operator_(this), domain_("sentinode") {
    domain_.Add(&operator_);
  }

  OrtCustomOpDomain* domain() { return domain_; }

  Result<std::shared_ptr<Region>> MakeRegion(const std::string& plan) {
    auto made = Region::Create(plan, RegionOptions{settings_.folder, settings_.threads, false});
    if (!made.ok()) return made.status();
    std::shared_ptr<Region> region = std::move(made.value());
    const std::lock_guard<std::mutex> lock(mutex_);
    regions_.push_back(region);
    return region;
  }

  size_t planned_bytes() const override {
    size_t sum = 0;
    for (const auto& region : Regions()) sum += region->planned_bytes();
    return sum;
  }

  std::string ReportJson() const override {
    std::string json = "[";
    for (const auto& region : Regions()) {
      if (json.size() > 1) json += ',';
      json += region->ReportJson();
    }
    return json + "]";
  }

 private:
  std::vector<std::shared_ptr<Region>> Regions() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    std::vector<std::shared_ptr<Region>> alive;
    for (const auto& region : regions_) {
      if (auto held = region.lock()) alive.push_back(std::move(held));
    }
    return alive;
  }

  OperatorSettings settings_;
  RegionOperator operator_;
  Ort::CustomOpDomain domain_;
  mutable std::mutex mutex_;
  std::vector<std::weak_ptr<Region>> regions_;
};

OrtStatusPtr RegionOperator::CreateKernelV2(const OrtApi&, const OrtKernelInfo* info,
                                            void** kernel) const try {
  const Ort::ConstKernelInfo view(info);
  auto region = session_->MakeRegion(view.GetAttribute<std::string>("plan"));
  if (!region.ok()) return ToOrt(region.status()).release();
  *kernel = new RegionKernel(std::move(region.value()));
  return nullptr;
} catch (const Ort::Exception& error) {
  return Ort::Status(error.what(), error.GetOrtErrorCode()).release();
} catch (const std::exception& error) {
  return Ort::Status(error.what(), ORT_FAIL).release();
}

}  // namespace

std::shared_ptr<Operators> RegisterOperators(OrtSessionOptions* options, const OrtApi*,
                                             const OperatorSettings& settings) {
  auto operators = std::make_shared<SessionOperators>(settings);
  Ort::UnownedSessionOptions(options).Add(operators->domain());
  return operators;
}

}  // namespace sentinode
