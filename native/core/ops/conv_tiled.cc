// The tiled form: our own vector code for the products, by Toom-Cook along time, along depth, along
// both or neither. Threads take blocks (tiled_shape.h) as they become free and meet only at the
// end, so that a processor that others use too does less of the work and nobody waits for it.
//
// Toom-Cook mixes frames and planes, and rounding is a share of the largest of them. Blocks where
// that would be seen in an output which sees only small ones, or where an input is not finite, are
// found while they are prepared, and computed again tap by tap.
#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

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
  const int64_t together =
      std::min<int64_t>(choice.frames > 1 ? choice.frames : kExactFrames, kExactFrames);
  const auto& strides = problem.pool->window.strides;
  const bool fits = (KeepsFrames(*problem.pool) || problem.out.t <= together) &&
                    strides[1] <= kMostPooledPlanes && strides[2] <= kMostPooledRows;
  if (!fits) problem.pool = nullptr;
  return problem;
}

// A tile in depth by a segment of rows, of all columns.
struct Band {
  size_t depth_tile = 0;
  int64_t row = 0;
};

class TiledConv : public ConvForm {
 public:
  TiledConv(const ConvProblem& problem, const ConvChoice& choice, WeightCache& cache)
      : problem_(WithFittingPool(problem, choice)), shape_(problem_, choice) {
    weights_ = Pack(shape_, cache);
    weights_bytes_ = weights_->bytes();
    thread_bytes_ = shape_.thread_bytes;
    if (shape_.mixes()) {
      exact_ = std::make_unique<TiledShape>(TiledShape::Exact(problem_, shape_));
      exact_weights_ = Pack(*exact_, cache);
      weights_bytes_ += exact_weights_->bytes();
      thread_bytes_ = std::max(thread_bytes_, exact_->thread_bytes);
    }
    workspace_bytes_ = thread_bytes_ * static_cast<size_t>(problem.threads);
  }

  Status Run(const Buffers& buffers) const override;
  bool TakesPlanarIn() const override { return shape_.planar_in; }
  bool TakesPlanarOut() const override { return problem_.planar_out; }
  bool Pools() const override { return problem_.pool != nullptr; }

 private:
  using Weights = std::shared_ptr<const WeightBuffer>;

  Weights Pack(const TiledShape& shape, WeightCache& cache) const {
    const auto pack = [this, &shape](size_t vector, uint8_t* to) {
      PackTiledWeights(problem_, shape, static_cast<int64_t>(vector), to);
    };
    const size_t vectors = static_cast<size_t>(shape.vectors);
    return cache.Get(TiledWeightsName(shape), {vectors, shape.vector_words * 4, pack});
  }
  std::vector<Band> AllBands() const;
  template <typename Report>
  void RunBands(const TiledShape& shape, const WeightBuffer& weights,
                const std::vector<Band>& bands, const Buffers& buffers, const Report& report) const;

  ConvProblem problem_;
  TiledShape shape_;
  Weights weights_;
  size_t thread_bytes_ = 0;
  // For blocks whose inputs are out of the shape's range. Their weights are prepared with the
  // others: when such a block comes, a region has let go of the raw ones.
  std::unique_ptr<TiledShape> exact_;
  Weights exact_weights_;
};

// Neighbours in depth follow each other: they read the same planes.
std::vector<Band> TiledConv::AllBands() const {
  std::vector<Band> bands;
  for (int64_t row = 0; row < problem_.out.h; row += shape_.segment_rows) {
    for (size_t depth = 0; depth < shape_.depth.tiles.size(); ++depth) {
      bands.push_back({depth, row});
    }
  }
  return bands;
}

// `report` is called with the index of a band for each block of it that was out of range.
template <typename Report>
void TiledConv::RunBands(const TiledShape& shape, const WeightBuffer& weights,
                         const std::vector<Band>& bands, const Buffers& buffers,
                         const Report& report) const {
  std::atomic<size_t> next{0};
  const size_t items = bands.size() * shape.columns.size();
  const auto work = [&](uint8_t* workspace) {
    const float* data = reinterpret_cast<const float*>(weights.data());
    TiledWorker worker(problem_, shape, data, buffers, workspace);
    for (size_t item = next++; item < items && !CancelRequested(); item = next++) {
      const Band& band = bands[item % bands.size()];
      const int64_t end = std::min(band.row + shape.segment_rows, problem_.out.h);
      const bool right =
          worker.ComputeBlock(band.depth_tile, shape.columns[item / bands.size()], band.row, end);
      if (!right) report(item % bands.size());
    }
    if (shape.streamed_out) FinishStreams();
  };
  if (problem_.threads == 1) {
    RowTeam::Share(buffers.workspace, work);
  } else {
    const std::atomic<bool>* const cancel = current_cancel_flag;
    ParallelTeam(problem_.threads, [&] {
      const CancelScope scope(cancel);
      work(buffers.workspace + thread_bytes_ * static_cast<size_t>(ThreadIndex()));
    });
  }
}

Status TiledConv::Run(const Buffers& buffers) const {
  const std::vector<Band> bands = AllBands();
  std::mutex reporting;
  std::set<size_t> wrong;
  RunBands(shape_, *weights_, bands, buffers, [&](size_t band) {
    const std::lock_guard<std::mutex> lock(reporting);
    wrong.insert(band);
  });
  if (!wrong.empty() && !CancelRequested()) {
    std::vector<Band> again;
    for (const size_t band : wrong) again.push_back(bands[band]);
    RunBands(*exact_, *exact_weights_, again, buffers, [](size_t) {});
  }
  return CancelRequested() ? Cancelled() : Status::Ok();
}

}  // namespace

Result<std::unique_ptr<ConvForm>> MakeTiledConv(const ConvProblem& problem,
                                                const ConvChoice& choice, WeightCache& cache) {
  return std::unique_ptr<ConvForm>(std::make_unique<TiledConv>(problem, choice, cache));
}

}  // namespace sentinode::ops
