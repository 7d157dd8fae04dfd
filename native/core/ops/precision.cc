#include "core/ops/precision.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <vector>

#include "core/base/clock.h"
#include "core/ops/arena.h"
#include "core/ops/program.h"
#include "core/ops/tuner.h"

namespace sentinode::ops {
namespace {

constexpr int kRounds = 8;
// Of the layers' time in float32; what else the two differ in is less than the rest.
constexpr double kClearShare = 0.75;

// A plan, run in memory that it shares with the other.
struct Contestant {
  std::unique_ptr<Program> program;
  double milliseconds = std::numeric_limits<double>::infinity();

  Status Prepare(Layers& layers, const std::vector<Volume>& inputs, Arena& arena) {
    Result<std::unique_ptr<Program>> made = Program::Make(layers, inputs, layers.threads);
    if (!made.ok()) return made.status();
    program = std::move(made.value());
    return arena.Grow(program->arena_bytes());
  }

  Status RunTimed(const std::vector<const float*>& in, const std::vector<float*>& out,
                  uint8_t* arena) {
    const double start = NowMs();
    SENTINODE_RETURN_IF_ERROR(program->Run(0, in, out, arena));
    milliseconds = std::min(milliseconds, NowMs() - start);
    return Status::Ok();
  }
};

}  // namespace

bool ClearlyPays(const Layers& half) {
  double taken = 0;
  double single = 0;
  for (const TuningEntry& entry : half.tuning.entries()) {
    double best = std::numeric_limits<double>::infinity();
    for (const Measurement& m : entry.measured) {
      if (m.choice == entry.choice) taken += m.milliseconds;
      if (m.choice.products == Element::kFloat32) best = std::min(best, m.milliseconds);
    }
    single += best;
  }
  return taken < kClearShare * single;
}

std::string InFloat32(const std::string& plan_text) {
  const std::string half = "\nprecision bf16\n";
  std::string text = plan_text;
  const size_t at = text.find(half);
  if (at != std::string::npos) text.replace(at, half.size(), "\nprecision fp32\n");
  return text;
}

Status MeasurePrecisions(Layers& half, Layers& single) {
  const std::vector<Volume> inputs = TuningSizes(half.plan).front();
  const Result<std::vector<Volume>> volumes = PropagateVolumes(half.plan, inputs);
  if (!volumes.ok()) return Status::Ok();
  Arena arena;
  Contestant contestants[2];
  SENTINODE_RETURN_IF_ERROR(contestants[0].Prepare(half, inputs, arena));
  SENTINODE_RETURN_IF_ERROR(contestants[1].Prepare(single, inputs, arena));

  int64_t largest = 0;
  for (const Volume& input : inputs) largest = std::max(largest, input.elements());
  const std::vector<float> values(static_cast<size_t>(largest), 0.5f);
  const std::vector<const float*> in(inputs.size(), values.data());
  std::vector<std::unique_ptr<Arena>> memory;
  size_t bytes = arena.capacity();
  std::vector<float*> out;
  for (const int value : half.plan.outputs) {
    const auto elements =
        static_cast<size_t>(volumes.value()[static_cast<size_t>(value)].elements());
    memory.push_back(std::make_unique<Arena>());
    SENTINODE_RETURN_IF_ERROR(memory.back()->Grow(elements * sizeof(float)));
    out.push_back(reinterpret_cast<float*>(memory.back()->data()));
    bytes += memory.back()->capacity();
  }
  for (int round = 0; round < kRounds; ++round) {
    for (Contestant& contestant : contestants) {
      SENTINODE_RETURN_IF_ERROR(contestant.RunTimed(in, out, arena.data()));
    }
  }
  TuningEntry entry;
  entry.step = kWholePlan;
  entry.in = inputs[0];
  for (const Element element : {Element::kBfloat16, Element::kFloat32}) {
    Measurement m;
    m.choice.products = element;
    m.milliseconds = contestants[element == Element::kBfloat16 ? 0 : 1].milliseconds;
    entry.measured.push_back(m);
  }
  const bool slower = entry.measured[1].milliseconds < entry.measured[0].milliseconds;
  entry.choice = entry.measured[slower ? 1 : 0].choice;
  half.tuning.Add(entry);
  half.tuning_bytes = single.tuning_bytes =
      std::max({bytes, half.tuning_bytes, single.tuning_bytes});
  return Status::Ok();
}

Element QuickestPrecision(const Layers& half) {
  const Volume first = TuningSizes(half.plan).front().front();
  const TuningEntry* entry = half.tuning.Nearest(kWholePlan, first);
  return entry == nullptr ? Element::kBfloat16 : entry->choice.products;
}

}  // namespace sentinode::ops
