// The tiled form: our own vector code for the products, by Toom-Cook along time, along depth, along
// both or neither. Threads take blocks (tiled_shape.h) as they become free and meet only at the
// end, so that a processor that others use too does less of the work and nobody waits for it.
#include <algorithm>
#include <atomic>
#include <utility>

#include "core/base/cancel.h"
#include "core/ops/conv.h"
#include "core/ops/parallel.h"
#include "core/ops/row_team.h"
#include "core/ops/steps.h"
#include "core/ops/tiled_shape.h"
#include "core/ops/tiled_weights.h"
#include "core/ops/tiled_worker.h"

namespace sentinode::ops {
namespace {

// What is left of a problem's wishes: a pool's windows must not straddle blocks.
ConvProblem WithFittingPool(ConvProblem problem, const ConvChoice& choice) {
  if (problem.pool == nullptr) return problem;
  const int64_t together = choice.frames > 1 ? choice.frames : kExactFrames;
  const auto& strides = problem.pool->window.strides;
  const bool fits = (KeepsFrames(*problem.pool) || problem.out.t <= together) &&
                    strides[1] <= kMostPooledPlanes && strides[2] <= kMostPooledRows;
  if (!fits) problem.pool = nullptr;
  return problem;
}

class TiledConv : public ConvForm {
 public:
  TiledConv(const ConvProblem& problem, const ConvChoice& choice, WeightCache& cache)
      : problem_(WithFittingPool(problem, choice)), shape_(problem_, choice) {
    const size_t vectors = static_cast<size_t>(shape_.vectors);
    const auto pack = [this](size_t vector, uint8_t* to) {
      PackTiledWeights(problem_, shape_, static_cast<int64_t>(vector), to);
    };
    weights_ = cache.Get(TiledWeightsName(shape_), {vectors, shape_.vector_words * 4, pack});
    weights_bytes_ = weights_->bytes();
    workspace_bytes_ = shape_.thread_bytes * static_cast<size_t>(problem.threads);
  }

  Status Run(const Buffers& buffers) const override;
  bool TakesPlanarIn() const override { return shape_.planar_in; }
  bool TakesPlanarOut() const override { return problem_.planar_out; }
  bool Pools() const override { return problem_.pool != nullptr; }

 private:
  void Work(const Buffers& buffers, uint8_t* workspace, std::atomic<int64_t>& next) const;

  ConvProblem problem_;
  TiledShape shape_;
  std::shared_ptr<const WeightBuffer> weights_;
};

// Neighbours in depth follow each other: they read the same planes.
void TiledConv::Work(const Buffers& buffers, uint8_t* workspace, std::atomic<int64_t>& next) const {
  const int64_t depths = static_cast<int64_t>(shape_.depth.tiles.size());
  const int64_t segments = shape_.segments(problem_.out.h);
  const int64_t items = depths * segments * static_cast<int64_t>(shape_.columns.size());
  const float* weights = reinterpret_cast<const float*>(weights_->data());
  TiledWorker worker(problem_, shape_, weights, buffers, workspace);
  for (int64_t item = next++; item < items && !CancelRequested(); item = next++) {
    const Columns& columns = shape_.columns[static_cast<size_t>(item / depths / segments)];
    const int64_t row = item / depths % segments * shape_.segment_rows;
    worker.ComputeBlock(static_cast<size_t>(item % depths), columns, row,
                        std::min(row + shape_.segment_rows, problem_.out.h));
  }
  if (shape_.streamed_out) FinishStreams();
}

Status TiledConv::Run(const Buffers& buffers) const {
  std::atomic<int64_t> next{0};
  if (problem_.threads == 1) {
    RowTeam::Share(buffers.workspace, [&](uint8_t* workspace) { Work(buffers, workspace, next); });
  } else {
    const std::atomic<bool>* const cancel = current_cancel_flag;
    ParallelTeam(problem_.threads, [&] {
      const CancelScope scope(cancel);
      Work(buffers, buffers.workspace + shape_.thread_bytes * static_cast<size_t>(ThreadIndex()),
           next);
    });
  }
  return CancelRequested() ? Cancelled() : Status::Ok();
}

}  // namespace

Result<std::unique_ptr<ConvForm>> MakeTiledConv(const ConvProblem& problem,
                                                const ConvChoice& choice, WeightCache& cache) {
  return std::unique_ptr<ConvForm>(std::make_unique<TiledConv>(problem, choice, cache));
}

}  // namespace sentinode::ops
