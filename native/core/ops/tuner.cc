#include "core/ops/tuner.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <random>
#include <utility>

#include "core/base/clock.h"
#include "core/ops/arena.h"
#include "core/ops/program.h"
#include "core/ops/reference.h"

namespace sentinode::ops {
namespace {

// Rounds of a contest: more where they cost little, as least times of few rounds are noisy.
constexpr int kLeastRounds = 3;
constexpr int kMostRounds = 12;
constexpr double kContestMilliseconds = 500;
// Forms are measured with their whole output written; what is pooled block by block never leaves
// the cache, which was seen to spare a third.
constexpr double kBlockCost = 0.7;
// Outputs at which errors are measured, evenly over all of them.
constexpr size_t kSamples = size_t{1} << 13;
// Each form is tried alone, then the quickest take turns: the weights of all of them together would
// be many times as large as those that are kept.
constexpr int kTrialRounds = 2;
constexpr size_t kFinalists = 3;
// Raw weights up to which even those are in memory at the same time.
constexpr int64_t kMostFloatsTogether = 2 << 20;

double RunTimed(const ConvForm& form, const ConvForm::Buffers& buffers) {
  const double start = NowMs();
  const Status status = form.Run(buffers);
  const double taken = NowMs() - start;
  return status.ok() ? taken : std::numeric_limits<double>::infinity();
}

// One convolution whose forms are compared.
struct Contest {
  size_t step = 0;
  ConvProblem problem;
  std::vector<ConvChoice> choices;
  // A pool follows that tiled forms apply while their output is in the cache.
  bool feeds_pool = false;
  ConvForm::Buffers buffers;
  Arena workspace;

  // Whether the weights of several forms may lie in memory at the same time.
  bool together() const {
    const Step& s = *problem.step;
    int64_t floats = problem.out.c * (problem.in.c / s.groups);
    for (const int k : s.window.kernel) floats *= k;
    return floats <= kMostFloatsTogether;
  }
  size_t outputs() const { return static_cast<size_t>(problem.out.elements()); }
  // Odd, so that samples meet every channel.
  size_t sample_step() const { return std::max<size_t>(1, outputs() / kSamples) | 1; }
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

// One form alone, warmed up by the run whose error is measured.
void Try(Contest& contest, const ConvChoice& choice, const std::vector<float>& expected, int rounds,
         TuningEntry& entry) {
  const Contestants alone(contest, {choice});
  for (const auto& [tried, form] : alone.forms()) {
    Measurement m;
    m.choice = tried;
    m.milliseconds = std::numeric_limits<double>::infinity();
    RunTimed(*form, contest.buffers);
    m.error = RelativeError(expected, SampleValues(contest.buffers.out, contest.problem.element,
                                                   contest.outputs(), contest.sample_step()));
    for (int round = 0; round < rounds; ++round) {
      m.milliseconds = std::min(m.milliseconds, RunTimed(*form, contest.buffers));
    }
    entry.measured.push_back(m);
  }
}

// The forms take turns, so that a machine that slows down for a while slows them all.
void TakeTurns(Contest& contest, const std::vector<Measurement*>& finalists) {
  std::vector<ConvChoice> choices;
  for (const Measurement* m : finalists) choices.push_back(m->choice);
  const Contestants contestants(contest, choices);
  for (const auto& [choice, form] : contestants.forms()) RunTimed(*form, contest.buffers);
  double spent = 0;
  for (int round = 0; round < kLeastRounds || (round < kMostRounds && spent < kContestMilliseconds);
       ++round) {
    for (const auto& [choice, form] : contestants.forms()) {
      const double taken = RunTimed(*form, contest.buffers);
      spent += taken;
      for (Measurement* m : finalists) {
        if (m->choice == choice) m->milliseconds = std::min(m->milliseconds, taken);
      }
    }
  }
}

TuningEntry Decide(Contest& contest) {
  TuningEntry entry;
  entry.step = static_cast<int>(contest.step);
  entry.in = contest.problem.in;
  const std::vector<float> expected =
      ReferenceSamples(contest.problem, contest.buffers, contest.sample_step());
  const bool together = contest.together();
  for (const ConvChoice& choice : contest.choices) {
    Try(contest, choice, expected, together ? kTrialRounds : kLeastRounds, entry);
  }
  entry.choice = ExactTiled();
  if (entry.measured.empty()) return entry;
  const bool bfloat = contest.problem.element == Element::kBfloat16;
  const double tolerance = bfloat ? kBfloat16Tolerance : kTolerance;
  const auto cost = [&contest](const Measurement* m) {
    const bool blocks = m->choice.kind == ConvKind::kTiled;
    return m->milliseconds * (blocks && contest.feeds_pool ? kBlockCost : 1);
  };
  std::vector<Measurement*> able;
  for (Measurement& m : entry.measured) {
    // The last, exact in float32, is right by definition.
    if (m.error <= tolerance || &m == &entry.measured.back()) able.push_back(&m);
  }
  const auto quicker = [&cost](const Measurement* a, const Measurement* b) {
    return cost(a) < cost(b);
  };
  std::stable_sort(able.begin(), able.end(), quicker);
  if (together) {
    able.resize(std::min(able.size(), kFinalists));
    TakeTurns(contest, able);
  }
  entry.choice = (*std::min_element(able.begin(), able.end(), quicker))->choice;
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
