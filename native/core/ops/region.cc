#include "core/ops/region.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <utility>

#include "core/base/cancel.h"
#include "core/base/denormals.h"
#include "core/ops/onednn.h"
#include "core/ops/parallel.h"
#include "core/ops/precision.h"
#include "core/ops/report.h"
#include "core/ops/row_team.h"
#include "core/ops/toom_cook.h"
#include "core/ops/tuner.h"

namespace sentinode::ops {
namespace {

// Sizes that a region is ready for at a time.
constexpr size_t kMaxPrograms = 16;
// Raw weights up to which weights for other numbers of frames are prepared when a model is loaded.
constexpr int64_t kMostFloatsAhead = 4 << 20;

// Gives this thread and its OpenMP threads a processor each, once, where together they take all
// that the process has: between runs they sleep, and the system would wake two of them on one
// processor. Where some are left over it is the system that knows which.
void PinThreads([[maybe_unused]] int threads) {
#ifdef _OPENMP
  static thread_local bool done = false;
  if (done) return;
  done = true;
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
  if (threads < 2 || CPU_COUNT(&allowed) != threads) return;
  std::vector<int> processors;
  for (int i = 0; i < CPU_SETSIZE; ++i) {
    if (CPU_ISSET(i, &allowed)) processors.push_back(i);
  }
  ParallelTeam(threads, [&processors] {
    cpu_set_t own;
    CPU_ZERO(&own);
    CPU_SET(processors[static_cast<size_t>(ThreadIndex())], &own);
    sched_setaffinity(0, sizeof own, &own);
  });
#endif
}

// Most of what a first run with another number of frames would wait for are the weights of other
// tiles. They are left in their files; what fails here fails again when it is needed.
void PrepareOtherFrames(Layers& layers) {
  const bool small = layers.plan.weights_floats <= kMostFloatsAhead;
  if (!layers.plan.open_frames || !small) return;
  std::vector<Volume> inputs = TuningSizes(layers.plan).front();
  for (int64_t frames = 2; frames <= kMaxTileOutputs; ++frames) {
    for (Volume& input : inputs) input.t = frames;
    (void)Program::Make(layers, inputs, layers.threads).ok();
  }
}

std::string TuningPath(const std::string& plan_text, const RegionOptions& options) {
  if (options.folder.empty()) return "";
  return options.folder + "/" + TuningFileName(plan_text, options.threads);
}

// Reads a plan's parameters, and measures the forms of its layers or takes what was measured
// before.
Result<std::unique_ptr<Layers>> LoadMeasured(const std::string& plan_text,
                                             const RegionOptions& options) {
  Result<Plan> plan = ParsePlan(plan_text);
  if (!plan.ok()) return plan.status();
  Result<std::unique_ptr<Layers>> layers =
      Layers::Load(std::move(plan.value()), options.folder, options.threads);
  if (!layers.ok()) return layers.status();
  Layers& own = *layers.value();
  const std::string path = TuningPath(plan_text, options);
  if (!path.empty()) own.tuning = LoadTuning(path);
  const size_t known = own.tuning.entries().size();
  for (const std::vector<Volume>& size : TuningSizes(own.plan)) {
    SENTINODE_RETURN_IF_ERROR(Tune(own, size));
  }
  if (!path.empty() && own.tuning.entries().size() > known) SaveTuning(path, own.tuning);
  return layers;
}

// The same in the precision that the plan asks for, or in float32 where that is quicker. Values in
// float32 take twice the memory: where there is not enough for them, nothing is compared.
Result<std::unique_ptr<Layers>> LoadQuickest(const std::string& plan_text,
                                             const RegionOptions& options) {
  Result<std::unique_ptr<Layers>> half = LoadMeasured(plan_text, options);
  if (!half.ok() || options.keep_precision) return half;
  Layers& own = *half.value();
  const bool known = own.tuning.Has(kWholePlan, TuningSizes(own.plan).front().front());
  if (own.element != Element::kBfloat16) return half;
  if (known ? QuickestPrecision(own) == Element::kBfloat16 : ClearlyPays(own)) return half;
  Result<std::unique_ptr<Layers>> single = LoadMeasured(InFloat32(plan_text), options);
  if (!single.ok()) return half;
  if (known) return single;
  if (!MeasurePrecisions(own, *single.value()).ok()) return half;
  const std::string path = TuningPath(plan_text, options);
  if (!path.empty()) SaveTuning(path, own.tuning);
  return QuickestPrecision(own) == Element::kBfloat16 ? std::move(half) : std::move(single);
}

}  // namespace

Result<std::unique_ptr<Region>> Region::Create(const std::string& plan_text,
                                               const RegionOptions& options) {
  const ThreadScope scope(options.threads);
  const FlushDenormals flush;
  PinThreads(options.threads);
  Result<std::unique_ptr<Layers>> layers = LoadQuickest(plan_text, options);
  if (!layers.ok()) return layers.status();
  std::unique_ptr<Region> region(new Region());
  region->layers_ = std::move(layers.value());
  const bool measured = region->layers_->tuning_bytes > 0;
  if (measured && !options.folder.empty()) PrepareOtherFrames(*region->layers_);
  if (region->layers_->file) region->layers_->file->Forget();
  return region;
}

Result<std::shared_ptr<const Program>> Region::Prepare(const std::vector<Volume>& inputs) {
  return Prepare(inputs, layers_->threads);
}

Result<std::shared_ptr<const Program>> Region::Prepare(const std::vector<Volume>& inputs,
                                                       int threads) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = std::find_if(programs_.begin(), programs_.end(), [&](const auto& program) {
    return program->threads() == threads && program->input_volumes() == inputs;
  });
  if (found != programs_.end()) {
    programs_.splice(programs_.begin(), programs_, found);
    return programs_.front();
  }
  const ThreadScope scope(threads);
  if (layers_->file) SENTINODE_RETURN_IF_ERROR(layers_->file->Load());
  Result<std::unique_ptr<Program>> made = Program::Make(*layers_, inputs, threads);
  if (layers_->file) layers_->file->Forget();
  if (!made.ok()) return made.status();
  programs_.push_front(std::move(made.value()));
  if (programs_.size() > kMaxPrograms) programs_.pop_back();
  return programs_.front();
}

// An arena that somebody gave back, or a new one.
Result<std::unique_ptr<Arena>> Region::TakeArena(size_t bytes) {
  auto arena = std::make_unique<Arena>();
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!arenas_.empty()) {
      arena = std::move(arenas_.back());
      arenas_.pop_back();
    }
  }
  SENTINODE_RETURN_IF_ERROR(arena->Grow(bytes));
  return arena;
}

void Region::GiveArena(std::unique_ptr<Arena> arena) {
  const std::lock_guard<std::mutex> lock(mutex_);
  arenas_.push_back(std::move(arena));
}

Status Region::Run(const Program& program, int64_t rows, const std::vector<const float*>& inputs,
                   const std::vector<float*>& outputs) {
  const int threads = layers_->threads;
  const ThreadScope scope(threads);
  const FlushDenormals flush;
  PinThreads(threads);
  const int64_t beside = threads > 1 ? rows / threads * threads : 0;
  if (beside > 0) {
    const auto alone = Prepare(program.input_volumes(), 1);
    if (!alone.ok()) return alone.status();
    SENTINODE_RETURN_IF_ERROR(RunBeside(*alone.value(), {inputs, outputs, 0, beside}));
  }
  return beside == rows ? Status::Ok() : RunInTurn(program, {inputs, outputs, beside, rows});
}

Status Region::RunInTurn(const Program& program, const Rows& rows) {
  Result<std::unique_ptr<Arena>> arena = TakeArena(program.arena_bytes());
  if (!arena.ok()) return arena.status();
  Status status;
  for (int64_t row = rows.begin; row < rows.end && status.ok(); ++row) {
    status = program.Run(row, rows.inputs, rows.outputs, arena.value()->data());
  }
  GiveArena(std::move(arena.value()));
  return status;
}

// Threads take the next row when they are done with one: a processor that others use too computes
// fewer rows, and nobody waits for it in every layer. Who finds no more rows helps with the last
// ones.
Status Region::RunBeside(const Program& program, const Rows& rows) {
  RowTeam team(rows.end - rows.begin);
  std::mutex failing;
  Status failed;
  const std::atomic<bool>* const cancel = current_cancel_flag;
  ParallelTeam(layers_->threads, [&] {
    const CancelScope scope(cancel);
    const Status status = RunMember(program, rows, team);
    if (status.ok()) return;
    const std::lock_guard<std::mutex> lock(failing);
    failed = status;
  });
  return failed;
}

// One thread of a team. Without memory for an arena the batch fails as a whole.
Status Region::RunMember(const Program& program, const Rows& rows, RowTeam& team) {
  Result<std::unique_ptr<Arena>> arena = TakeArena(program.arena_bytes());
  if (!arena.ok()) {
    team.Stop();
    return arena.status();
  }
  uint8_t* const memory = arena.value()->data();
  const Status status = team.RunRows(memory, [&](int64_t row) {
    return program.Run(rows.begin + row, rows.inputs, rows.outputs, memory);
  });
  GiveArena(std::move(arena.value()));
  return status;
}

// Of the program used last: one arena, or one a thread.
size_t Region::ArenaBytes() const {
  if (programs_.empty()) return 0;
  const Program& last = *programs_.front();
  return last.arena_bytes() * static_cast<size_t>(layers_->threads / last.threads());
}

size_t Region::planned_bytes() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return PlannedBytes(*layers_, ArenaBytes());
}

std::string Region::ReportJson() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return RegionReport(*layers_, programs_.empty() ? nullptr : programs_.front().get(),
                      ArenaBytes());
}

}  // namespace sentinode::ops
