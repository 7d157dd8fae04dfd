#include "core/ops/report.h"

#include <algorithm>
#include <cmath>
#include <sstream>

namespace sentinode::ops {
namespace {

std::string Json(const Volume& v) {
  std::ostringstream out;
  out << '[' << v.c << ',' << v.t << ',' << v.d << ',' << v.h << ',' << v.w << ']';
  return out.str();
}

// JSON has no infinities: a form that failed took no time that could be told.
void WriteNumber(std::ostream& out, double value) {
  if (std::isfinite(value)) {
    out << value;
  } else {
    out << "null";
  }
}

void WriteCandidates(std::ostream& out, const TuningEntry& entry, double flops) {
  out << ",\"candidates\":[";
  const char* separator = "";
  for (const Measurement& m : entry.measured) {
    out << separator << "{\"form\":\"" << ToString(m.choice) << "\",\"ms\":";
    WriteNumber(out, m.milliseconds);
    out << ",\"gflops\":";
    WriteNumber(out, flops / m.milliseconds * 1e-6);
    out << ",\"error\":";
    WriteNumber(out, m.error);
    out << '}';
    separator = ",";
  }
  out << ']';
}

// `in` is the size to report on, `choice` what runs there.
void WriteLayer(std::ostream& out, const Layers& layers, size_t step, const Volume& in,
                const Volume* to, const ConvChoice& choice) {
  const TuningEntry* entry = layers.tuning.Nearest(static_cast<int>(step), in);
  const bool measured = entry != nullptr && entry->in == in;
  out << "{\"step\":" << step << ",\"in\":" << Json(in);
  double flops = 0;
  if (to != nullptr) {
    flops = ConvFlops(layers.plan.steps[step], in, *to);
    out << ",\"out\":" << Json(*to) << ",\"gflop\":" << flops * 1e-9;
  }
  out << ",\"form\":\"" << ToString(choice) << "\",\"why\":\""
      << (measured           ? "measured"
          : entry != nullptr ? "nearest measured size"
                             : "the only form")
      << '"';
  if (measured && to != nullptr) WriteCandidates(out, *entry, flops);
  out << '}';
}

}  // namespace

size_t PlannedBytes(const Layers& layers, size_t arena_bytes) {
  return layers.weights_bytes() + std::max(arena_bytes, layers.tuning_bytes);
}

std::string RegionReport(const Layers& layers, const Program* program, size_t arena_bytes) {
  std::ostringstream out;
  out << "{\"precision\":\"" << (layers.element == Element::kBfloat16 ? "bf16" : "fp32")
      << "\",\"threads\":" << layers.threads
      << ",\"planned_bytes\":" << PlannedBytes(layers, arena_bytes)
      << ",\"arena_bytes\":" << arena_bytes << ",\"weights_bytes\":" << layers.weights_bytes();
  if (program != nullptr) out << ",\"gflop\":" << program->flops() * 1e-9;
  out << ",\"layers\":[";
  const char* separator = "";
  if (program != nullptr) {
    for (size_t i = 0; i < layers.plan.steps.size(); ++i) {
      const Step& step = layers.plan.steps[i];
      if (step.kind != StepKind::kConv) continue;
      const auto& volumes = program->volumes();
      out << separator;
      WriteLayer(out, layers, i, volumes[static_cast<size_t>(step.in[0])],
                 &volumes[static_cast<size_t>(step.out)], program->choices()[i]);
      separator = ",";
    }
  } else {
    for (const TuningEntry& entry : layers.tuning.entries()) {
      out << separator;
      WriteLayer(out, layers, static_cast<size_t>(entry.step), entry.in, nullptr, entry.choice);
      separator = ",";
    }
  }
  out << "]}";
  return out.str();
}

}  // namespace sentinode::ops
