#include "ops_support.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>

namespace sentinode::ops::test {
namespace {

const std::string kWeightsName = std::string(64, 'a') + ".weights";

// Calls body(c, t, d, h, w) for each element.
void ForEach(const Volume& v,
             const std::function<void(int64_t, int64_t, int64_t, int64_t, int64_t)>& body) {
  for (int64_t c = 0; c < v.c; ++c) {
    for (int64_t t = 0; t < v.t; ++t) {
      for (int64_t d = 0; d < v.d; ++d) {
        for (int64_t h = 0; h < v.h; ++h) {
          for (int64_t w = 0; w < v.w; ++w) body(c, t, d, h, w);
        }
      }
    }
  }
}

}  // namespace

double& Array::at(int64_t c, int64_t t, int64_t d, int64_t h, int64_t w) {
  const Volume& v = volume;
  return data[static_cast<size_t>((((c * v.t + t) * v.d + d) * v.h + h) * v.w + w)];
}

int Pick(Random& random, int lowest, int highest) {
  return lowest + static_cast<int>(random() % static_cast<unsigned>(highest - lowest + 1));
}

Array Noise(Random& random, const Volume& volume) {
  Array array(volume);
  std::normal_distribution<float> normal;
  for (double& x : array.data) x = static_cast<double>(normal(random));
  return array;
}

std::vector<float> Noise(Random& random, size_t count, double scale) {
  std::vector<float> values(count);
  std::normal_distribution<float> normal;
  for (float& x : values) x = normal(random) * static_cast<float>(scale);
  return values;
}

double ReferenceActivation(const Activation& activation, double x) {
  const double alpha = static_cast<double>(activation.alpha);
  const double beta = static_cast<double>(activation.beta);
  switch (activation.kind) {
    case ActivationKind::kNone:
      return x;
    case ActivationKind::kRelu:
      return std::max(x, 0.0);
    case ActivationKind::kLeakyRelu:
      return x < 0 ? x * static_cast<double>(activation.alpha) : x;
    case ActivationKind::kClip:
      return std::min(std::max(x, static_cast<double>(activation.min)),
                      static_cast<double>(activation.max));
    case ActivationKind::kSigmoid:
      return 1 / (1 + std::exp(-x));
    case ActivationKind::kTanh:
      return std::tanh(x);
    case ActivationKind::kSilu:
      return x / (1 + std::exp(-x * alpha));
    case ActivationKind::kGelu:
      return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0)));
    case ActivationKind::kGeluTanh:
      return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    case ActivationKind::kMish:
      return x * std::tanh(std::log1p(std::exp(x)));
    case ActivationKind::kElu:
      return beta * (x > 0 ? x : alpha * std::expm1(x));
    case ActivationKind::kSoftplus:
      return x > 30 ? x : std::log1p(std::exp(x));
    case ActivationKind::kHardSwish:
      return x * std::min(std::max(x / 6 + 0.5, 0.0), 1.0);
    case ActivationKind::kHardSigmoid:
      return std::min(std::max(x * alpha + beta, 0.0), 1.0);
    case ActivationKind::kSoftsign:
      return x / (1 + std::abs(x));
    case ActivationKind::kErf:
      return std::erf(x);
    case ActivationKind::kExp:
      return std::exp(x);
    case ActivationKind::kSqrt:
      return std::sqrt(x);
    case ActivationKind::kAbs:
      return std::abs(x);
    case ActivationKind::kReciprocal:
      return 1 / x;
    case ActivationKind::kQuantize: {
      const double q = std::nearbyint(x / alpha) + beta;
      const double low = static_cast<double>(activation.min);
      const double high = static_cast<double>(activation.max);
      return (std::min(std::max(q, low), high) - beta) * alpha;
    }
    case ActivationKind::kPrelu:
      break;  // by channel
  }
  return 0;
}

Array ReferenceConv(const Step& step, const Array& in, const Volume& out_volume,
                    const float* weights, const std::vector<float>& bias, const Array* residual) {
  const Window& w = step.window;
  const int64_t group_in = in.volume.c / step.groups;
  const int64_t group_out = out_volume.c / step.groups;
  Array out(out_volume);
  ForEach(out_volume, [&](int64_t c, int64_t t, int64_t d, int64_t h, int64_t x) {
    double sum = bias.empty() ? 0 : static_cast<double>(bias[static_cast<size_t>(c)]);
    const int64_t first = c / group_out * group_in;
    const float* weight =
        weights + c * group_in * w.kernel[0] * w.kernel[1] * w.kernel[2] * w.kernel[3];
    for (int64_t i = 0; i < group_in; ++i) {
      for (int kt = 0; kt < w.kernel[0]; ++kt) {
        for (int kd = 0; kd < w.kernel[1]; ++kd) {
          for (int kh = 0; kh < w.kernel[2]; ++kh) {
            for (int kw = 0; kw < w.kernel[3]; ++kw, ++weight) {
              const int64_t it = t * w.strides[0] + kt * w.dilations[0] - w.pads[0];
              const int64_t id = d * w.strides[1] + kd * w.dilations[1] - w.pads[1];
              const int64_t ih = h * w.strides[2] + kh * w.dilations[2] - w.pads[2];
              const int64_t iw = x * w.strides[3] + kw * w.dilations[3] - w.pads[3];
              if (it < 0 || it >= in.volume.t || id < 0 || id >= in.volume.d || ih < 0 ||
                  ih >= in.volume.h || iw < 0 || iw >= in.volume.w) {
                continue;
              }
              sum += static_cast<double>(*weight) * in.at(first + i, it, id, ih, iw);
            }
          }
        }
      }
    }
    if (residual != nullptr) sum += residual->at(c, t, d, h, x);
    const bool prelu = step.activation.kind == ActivationKind::kPrelu;
    const double slope = prelu && sum < 0 ? static_cast<double>(step.activation.slopes[c]) : 1;
    out.at(c, t, d, h, x) = prelu ? sum * slope : ReferenceActivation(step.activation, sum);
  });
  return out;
}

Array ReferencePool(const Step& step, const Array& in, const Volume& out_volume) {
  const Window& w = step.window;
  const Volume& v = in.volume;
  const bool max = step.kind == StepKind::kMaxPool;
  Array out(out_volume);
  ForEach(out_volume, [&](int64_t c, int64_t t, int64_t d, int64_t h, int64_t x) {
    double best = -std::numeric_limits<double>::infinity();
    double sum = 0;
    int64_t inside = 0;
    int64_t padded = 0;
    for (int kt = 0; kt < w.kernel[0]; ++kt) {
      for (int kd = 0; kd < w.kernel[1]; ++kd) {
        for (int kh = 0; kh < w.kernel[2]; ++kh) {
          for (int kw = 0; kw < w.kernel[3]; ++kw) {
            const int64_t it = t * w.strides[0] + kt * w.dilations[0] - w.pads[0];
            const int64_t id = d * w.strides[1] + kd * w.dilations[1] - w.pads[1];
            const int64_t ih = h * w.strides[2] + kh * w.dilations[2] - w.pads[2];
            const int64_t iw = x * w.strides[3] + kw * w.dilations[3] - w.pads[3];
            if (it < v.t + w.pads[4] && id < v.d + w.pads[5] && ih < v.h + w.pads[6] &&
                iw < v.w + w.pads[7]) {
              ++padded;
            }
            if (it < 0 || it >= v.t || id < 0 || id >= v.d || ih < 0 || ih >= v.h || iw < 0 ||
                iw >= v.w) {
              continue;
            }
            ++inside;
            best = std::max(best, in.at(c, it, id, ih, iw));
            sum += in.at(c, it, id, ih, iw);
          }
        }
      }
    }
    const int64_t count = step.count_include_pad ? padded : inside;
    out.at(c, t, d, h, x) = max ? best : count > 0 ? sum / static_cast<double>(count) : 0;
  });
  return out;
}

Array ReferenceNorm(const Array& in, int64_t channels_per_group, double epsilon,
                    const std::vector<float>& scale, const std::vector<float>& shift) {
  Array out(in.volume);
  const size_t plane = static_cast<size_t>(in.volume.positions());
  const size_t group = plane * static_cast<size_t>(channels_per_group);
  for (size_t start = 0; start < in.data.size(); start += group) {
    double mean = 0;
    double variance = 0;
    for (size_t i = start; i < start + group; ++i) mean += in.data[i];
    mean /= static_cast<double>(group);
    for (size_t i = start; i < start + group; ++i) {
      variance += (in.data[i] - mean) * (in.data[i] - mean);
    }
    variance /= static_cast<double>(group);
    for (size_t i = start; i < start + group; ++i) {
      const size_t c = i / plane;
      out.data[i] =
          (in.data[i] - mean) / std::sqrt(variance + epsilon) * static_cast<double>(scale[c]) +
          static_cast<double>(shift[c]);
    }
  }
  return out;
}

double Difference(const Array& expected, const Array& found) {
  EXPECT_TRUE(expected.volume == found.volume);
  double largest = 1;
  double difference = 0;
  for (size_t i = 0; i < expected.data.size(); ++i) {
    if (expected.data[i] == found.data[i]) continue;  // infinities too
    if (std::isnan(found.data[i])) return std::numeric_limits<double>::infinity();
    largest = std::max(largest, std::abs(expected.data[i]));
    difference = std::max(difference, std::abs(expected.data[i] - found.data[i]));
  }
  return difference / largest;
}

RegionFixture::RegionFixture() {
  std::string path = (std::filesystem::temp_directory_path() / "sentinode-ops-XXXXXX").string();
  folder_ = mkdtemp(path.data());
}

RegionFixture::~RegionFixture() { std::filesystem::remove_all(folder_); }

int64_t RegionFixture::Weights(const std::vector<float>& values) {
  const int64_t offset = static_cast<int64_t>(weights_.size());
  weights_.insert(weights_.end(), values.begin(), values.end());
  return offset;
}

std::string RegionFixture::PlanText() const {
  std::string text = "region 1\n";
  if (!weights_.empty()) text += "weights " + kWeightsName + "\n";
  text += "precision " + precision + "\nexact_taps " + (exact_taps ? "1" : "0") + "\n";
  return text + header_ + body_;
}

Result<std::unique_ptr<Region>> RegionFixture::Create() {
  std::ofstream file(folder_ + "/" + kWeightsName, std::ios::binary);
  file.write(reinterpret_cast<const char*>(weights_.data()),
             static_cast<std::streamsize>(weights_.size() * sizeof(float)));
  file.close();
  return Region::Create(PlanText(), RegionOptions{folder_, threads, keep_precision});
}

std::vector<std::vector<Array>> RunRegion(Region& region,
                                          const std::vector<std::vector<Array>>& rows) {
  std::vector<Volume> volumes;
  for (const Array& input : rows[0]) volumes.push_back(input.volume);
  const auto program = region.Prepare(volumes);
  EXPECT_TRUE(program.ok()) << program.status().message();
  if (!program.ok()) return {};
  std::vector<std::vector<float>> inputs(volumes.size());
  std::vector<const float*> input_pointers;
  for (size_t i = 0; i < volumes.size(); ++i) {
    for (const std::vector<Array>& row : rows) {
      inputs[i].insert(inputs[i].end(), row[i].data.begin(), row[i].data.end());
    }
    input_pointers.push_back(inputs[i].data());
  }
  const size_t output_count = region.plan().outputs.size();
  std::vector<std::vector<float>> outputs;
  std::vector<float*> output_pointers;
  for (size_t i = 0; i < output_count; ++i) {
    const int64_t elements = program.value()->output_volume(i).elements();
    outputs.emplace_back(static_cast<size_t>(elements) * rows.size());
  }
  for (std::vector<float>& output : outputs) output_pointers.push_back(output.data());
  const Status status = region.Run(*program.value(), static_cast<int64_t>(rows.size()),
                                   input_pointers, output_pointers);
  EXPECT_TRUE(status.ok()) << status.message();
  std::vector<std::vector<Array>> results(rows.size());
  for (size_t row = 0; row < rows.size(); ++row) {
    for (size_t i = 0; i < output_count; ++i) {
      Array array(program.value()->output_volume(i));
      const float* from = outputs[i].data() + row * array.data.size();
      std::copy(from, from + array.data.size(), array.data.begin());
      results[row].push_back(std::move(array));
    }
  }
  return results;
}

std::string Input(const Array& in) {
  return "input value=0 channels=" + std::to_string(in.volume.c);
}

std::string WindowText(const Window& window, bool dilations) {
  std::ostringstream text;
  const auto list = [&text](const char* key, const auto& values) {
    text << ' ' << key << '=';
    for (size_t i = 0; i < values.size(); ++i) text << (i > 0 ? "," : "") << values[i];
  };
  list("kernel", window.kernel);
  list("strides", window.strides);
  if (dilations) list("dilations", window.dilations);
  list("pads", window.pads);
  return text.str();
}

}  // namespace sentinode::ops::test
