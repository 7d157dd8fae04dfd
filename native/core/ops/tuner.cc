#include "core/ops/tuner.h"

#include <time.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <random>
#include <utility>

#include "core/ops/arena.h"
#include "core/ops/program.h"

namespace sentinode::ops {
namespace {

// Rounds of a contest: more where they cost little, as least times of few rounds are noisy.
constexpr int kLeastRounds = 3;
constexpr int kMostRounds = 12;
constexpr double kContestMilliseconds = 500;
// Forms are measured with their whole output written; what is pooled slab by slab never leaves the
// cache, which was seen to spare a third.
constexpr double kSlabCost = 0.7;
constexpr size_t kSamples = size_t{1} << 15;
// Raw weights up to which all forms of a layer are ready at the same time: together theirs are ten
// times as large.
constexpr int64_t kMostFloatsTogether = 2 << 20;

// Some of an output's values, evenly over it.
std::vector<float> Sample(const void* data, Element element, size_t count) {
  const size_t step = std::max<size_t>(1, count / kSamples) | 1;  // odd: meets every channel
  std::vector<float> samples;
  for (size_t i = 0; i < count; i += step) {
    if (element == Element::kFloat32) {
      samples.push_back(static_cast<const float*>(data)[i]);
    } else {
      const uint32_t bits = uint32_t{static_cast<const uint16_t*>(data)[i]} << 16;
      float value;
      std::memcpy(&value, &bits, sizeof value);
      samples.push_back(value);
    }
  }
  return samples;
}

double RelativeError(const std::vector<float>& expected, const std::vector<float>& found) {
  double largest = 0;
  double error = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    const double difference =
        std::abs(static_cast<double>(expected[i]) - static_cast<double>(found[i]));
    if (std::isnan(difference)) return std::numeric_limits<double>::infinity();
    largest = std::max(largest, std::abs(static_cast<double>(expected[i])));
    error = std::max(error, difference);
  }
  return largest > 0 ? error / largest : error;
}

// The processor's time on this thread, which carries its even share of the work: unlike the time on
// the wall, it does not grow while other programs are served.
double ThreadMilliseconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) * 1e-6;
}

double RunTimed(const ConvForm& form, const ConvForm::Buffers& buffers) {
  const double start = ThreadMilliseconds();
  const Status status = form.Run(buffers);
  const double taken = ThreadMilliseconds() - start;
  return status.ok() ? taken : std::numeric_limits<double>::infinity();
}

// One convolution whose forms are compared.
struct Contest {
  size_t step = 0;
  ConvProblem problem;
  std::vector<ConvChoice> choices;
  // A pool follows that narrow forms feed while their output is in the cache.
  bool feeds_pool = false;
  ConvForm::Buffers buffers;
  Arena workspace;

  // Whether the weights of all forms may lie in memory at the same time.
  bool together() const {
    const Step& s = *problem.step;
    int64_t floats = problem.out.c * (problem.in.c / s.groups);
    for (const int k : s.window.kernel) floats *= k;
    return floats <= kMostFloatsTogether;
  }
};

// Forms that run in turns, with weights of their own: what loses is not kept.
class Contestants {
 public:
  Contestants(Contest& contest, const std::vector<ConvChoice>& choices) {
    for (const ConvChoice& choice : choices) {
      auto form = MakeConvForm(contest.problem, choice, weights_);
      if (!form.ok() || !contest.workspace.Grow(form.value()->workspace_bytes()).ok()) continue;
      forms_.emplace_back(choice, std::move(form.value()));
    }
    contest.buffers.workspace = contest.workspace.data();
  }
  const std::vector<std::pair<ConvChoice, std::unique_ptr<ConvForm>>>& forms() const {
    return forms_;
  }

 private:
  WeightCache weights_;
  std::vector<std::pair<ConvChoice, std::unique_ptr<ConvForm>>> forms_;
};

// What the layer gives in float32, whatever its values are; by the direct form where there is one.
std::vector<float> Expected(Contest& contest) {
  const ConvChoice narrow{ConvKind::kNarrow, 0, Element::kFloat32};
  const bool exact = contest.problem.element == Element::kFloat32;
  const Contestants reference(
      contest, {exact ? ConvCandidates(contest.problem, true).back() : narrow, narrow});
  if (reference.forms().empty()) return {};
  RunTimed(*reference.forms().front().second, contest.buffers);
  return Sample(contest.buffers.out, contest.problem.element,
                static_cast<size_t>(contest.problem.out.elements()));
}

// The forms take turns, so that a machine that slows down for a while slows them all.
void Measure(Contest& contest, const std::vector<ConvChoice>& choices,
             const std::vector<float>& expected, TuningEntry& entry) {
  const Contestants contestants(contest, choices);
  const size_t count = static_cast<size_t>(contest.problem.out.elements());
  const size_t first = entry.measured.size();
  for (const auto& [choice, form] : contestants.forms()) {
    Measurement m;
    m.choice = choice;
    m.milliseconds = std::numeric_limits<double>::infinity();
    RunTimed(*form, contest.buffers);  // warms up, and does not count
    m.error = RelativeError(expected, Sample(contest.buffers.out, contest.problem.element, count));
    entry.measured.push_back(m);
  }
  double spent = 0;
  for (int round = 0; round < kLeastRounds || (round < kMostRounds && spent < kContestMilliseconds);
       ++round) {
    Measurement* m = entry.measured.data() + first;
    for (const auto& [choice, form] : contestants.forms()) {
      const double taken = RunTimed(*form, contest.buffers);
      spent += taken;
      m->milliseconds = std::min(m->milliseconds, taken);
      ++m;
    }
  }
}

TuningEntry Decide(Contest& contest) {
  TuningEntry entry;
  entry.step = static_cast<int>(contest.step);
  entry.in = contest.problem.in;
  const std::vector<float> expected = Expected(contest);
  if (contest.together()) {
    Measure(contest, contest.choices, expected, entry);
  } else {
    for (const ConvChoice& choice : contest.choices) Measure(contest, {choice}, expected, entry);
  }
  // What oneDNN refuses, the narrow form does.
  const ConvChoice narrow{ConvKind::kNarrow, 0, Element::kFloat32};
  if (entry.measured.empty()) Measure(contest, {narrow}, expected, entry);
  entry.choice = narrow;
  if (entry.measured.empty()) return entry;
  const bool bfloat = contest.problem.element == Element::kBfloat16;
  const double tolerance = bfloat ? kBfloat16Tolerance : kTolerance;
  const auto cost = [&contest](const Measurement& m) {
    const bool slabs = m.choice.kind == ConvKind::kNarrow || m.choice.kind == ConvKind::kNarrowFast;
    return m.milliseconds * (slabs && contest.feeds_pool ? kSlabCost : 1);
  };
  const Measurement* best = &entry.measured.back();
  for (const Measurement& m : entry.measured) {
    if (m.error <= tolerance && cost(m) < cost(*best)) best = &m;
  }
  entry.choice = best->choice;
  return entry;
}

void FillWithNoise(float* data, size_t count) {
  std::minstd_rand random(7);
  for (size_t i = 0; i < count; ++i) {
    data[i] = static_cast<float>(random()) * (2.0f / 2147483647.0f) - 1.0f;
  }
}

}  // namespace

Status Tune(Layers& layers, const std::vector<Volume>& inputs) {
  const Result<std::vector<Volume>> volumes = PropagateVolumes(layers.plan, inputs);
  if (!volumes.ok()) return Status::Ok();
  const std::vector<Step>& steps = layers.plan.steps;
  const auto problem_of = [&](size_t i) {
    return layers.Problem(i, volumes.value()[static_cast<size_t>(steps[i].in[0])],
                          volumes.value()[static_cast<size_t>(steps[i].out)], layers.threads);
  };
  std::vector<bool> tried(steps.size(), false);
  for (size_t i = 0; i < steps.size(); ++i) {
    if (steps[i].kind != StepKind::kConv) continue;
    const ConvProblem problem = problem_of(i);
    tried[i] = !layers.tuning.Has(static_cast<int>(i), problem.in) &&
               ConvCandidates(problem, layers.plan.exact_taps).size() > 1;
  }
  if (std::find(tried.begin(), tried.end(), true) == tried.end()) return Status::Ok();
  Result<std::unique_ptr<Program>> program = Program::Make(layers, inputs, layers.threads, tried);
  if (!program.ok()) return program.status();

  Arena arena;
  SENTINODE_RETURN_IF_ERROR(arena.Grow(program.value()->arena_bytes()));
  size_t workspace = 0;
  int64_t largest = 0;
  for (const Volume& input : inputs) largest = std::max(largest, input.elements());
  std::vector<float> noise(static_cast<size_t>(largest));
  FillWithNoise(noise.data(), noise.size());
  const std::vector<const float*> row_inputs(inputs.size(), noise.data());
  const std::vector<float*> no_outputs;
  const Program::Row row{row_inputs, no_outputs, arena.data()};
  for (size_t i = 0; i < steps.size(); ++i) {
    program.value()->BeforeStep(i, row);
    if (!tried[i]) {
      SENTINODE_RETURN_IF_ERROR(program.value()->RunStep(i, row));
      continue;
    }
    Contest contest;
    contest.step = i;
    contest.problem = problem_of(i);
    contest.choices = ConvCandidates(contest.problem, layers.plan.exact_taps);
    contest.feeds_pool = PoolAfter(layers.plan, i) >= 0;
    contest.buffers = program.value()->ConvBuffers(i, row);
    layers.tuning.Add(Decide(contest));
    workspace = std::max(workspace, contest.workspace.capacity());
  }
  layers.tuning_bytes = std::max(layers.tuning_bytes, arena.capacity() + workspace);
  return Status::Ok();
}

std::vector<std::vector<Volume>> TuningSizes(const Plan& plan) {
  std::vector<std::vector<int64_t>> shapes = plan.hints;
  if (shapes.empty()) {
    shapes.emplace_back();
    for (size_t i = 0; i < plan.inputs.size(); ++i) {
      shapes[0].insert(shapes[0].end(), {5, 32, 32, 32});
    }
  }
  std::vector<std::vector<Volume>> sizes;
  for (const std::vector<int64_t>& shape : shapes) {
    sizes.emplace_back();
    for (size_t i = 0; i < plan.inputs.size(); ++i) {
      sizes.back().push_back({plan.inputs[i].channels, shape[4 * i], shape[4 * i + 1],
                              shape[4 * i + 2], shape[4 * i + 3]});
    }
  }
  return sizes;
}

}  // namespace sentinode::ops
