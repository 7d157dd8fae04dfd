// How a thread's sums become outputs: mixed, pooled or turned into a region's border.
#include <algorithm>

#include "core/ops/steps.h"
#include "core/ops/tiled_worker.h"

namespace sentinode::ops {

void TiledWorker::FinishRow(int64_t row, int64_t vector) {
  const int64_t in_group = vector % shape_.group_vectors * shape_.lanes;
  const int64_t channel = vector / shape_.group_vectors * shape_.group_out + in_group;
  const int64_t channels = std::min(shape_.lanes, shape_.group_out - in_group);
  const int64_t area = shape_.sum_positions * shape_.lanes;
  const int64_t sums = static_cast<int64_t>(time_->sums.size() * depth_->sums.size());
  const int64_t behind = row % shape_.rows_of(vector);  // the first row of the vector
  inputs_.clear();
  for (int64_t i = 0; i < sums; ++i) {
    inputs_.push_back(sums_ + (i * shape_.group_rows + row - behind) * area + behind * channels);
  }
  PlaceOutputs(row, channel);
  Combine task;
  task.in = inputs_.data();
  task.out = outputs_.data();
  task.count = static_cast<size_t>(columns_->width);
  task.in_step = shape_.lanes;
  task.lanes = static_cast<size_t>(channels);
  task.out_step = problem_.out.c;
  task.out_element = problem_.element;
  task.bias = problem_.bias == nullptr ? nullptr : problem_.bias + channel;
  task.residual = buffers_.residual == nullptr ? nullptr : residuals_.data();
  task.residual_step = problem_.out.c;
  task.residual_element = problem_.element;
  task.activation = problem_.step->activation;
  if (task.activation.slopes != nullptr) task.activation.slopes += channel;
  if (problem_.planar_out) {
    task.out_step = shape_.lanes;
    task.out_element = Element::kFloat32;
  }
  Mix(task, pair_->finish, half_, area);
  if (problem_.planar_out) TurnRow(row, vector, channel, channels);
}

// Where the row's outputs go: in place, or to memory of the thread's.
void TiledWorker::PlaceOutputs(int64_t row, int64_t channel) {
  const Volume& out = problem_.out;
  const int64_t planes = depth_->finish.rows();
  outputs_.clear();
  residuals_.clear();
  for (int64_t t = 0; t < time_->finish.rows(); ++t) {
    for (int64_t d = 0; d < planes; ++d) {
      const int64_t at =
          (((time_->from + t) * out.d + depth_->from + d) * out.h + group_from_ + row) * out.w +
          columns_->from;
      const int64_t own = t * planes + d;
      if (problem_.pool != nullptr) {
        outputs_.push_back(
            MovedBy(rows_, (own * group_rows_ + row) * out.w * out.c + channel, problem_.element));
      } else if (problem_.planar_out) {
        outputs_.push_back(reinterpret_cast<float*>(rows_) +
                           own * shape_.sum_positions * shape_.lanes);
      } else {
        outputs_.push_back(MovedBy(buffers_.out, at * out.c + channel, problem_.element));
      }
      if (buffers_.residual != nullptr) {
        residuals_.push_back(MovedBy(buffers_.residual, at * out.c + channel, problem_.element));
      }
    }
  }
}

// From the thread's memory to a region's border.
void TiledWorker::TurnRow(int64_t row, int64_t vector, int64_t channel, int64_t channels) const {
  const Volume& out = problem_.out;
  const int64_t planes = depth_->finish.rows();
  const bool whole_rows = columns_->width == out.w;  // the next row lies behind this one
  StreamRow stream;
  stream.positions = static_cast<size_t>(columns_->width);
  stream.channels = static_cast<size_t>(channels);
  stream.plane = static_cast<size_t>(out.positions());
  stream.before = whole_rows ? static_cast<size_t>((group_from_ + row - row_from_) * out.w) : 0;
  stream.last = !whole_rows || group_from_ + row == row_end_ - 1;
  for (int64_t t = 0; t < time_->finish.rows(); ++t) {
    for (int64_t d = 0; d < planes; ++d) {
      const int64_t at =
          (((time_->from + t) * out.d + depth_->from + d) * out.h + group_from_ + row) * out.w +
          columns_->from;
      const int64_t own = t * planes + d;
      stream.in = reinterpret_cast<const float*>(rows_) + own * shape_.sum_positions * shape_.lanes;
      stream.out = buffers_.planar_out + channel * out.positions() + at;
      if (shape_.streamed_out) {
        stream.pending = pending_ + (own * shape_.vectors + vector) * shape_.lanes * shape_.lanes;
        kernels_.stream_row(stream);
      } else {
        kernels_.deinterleave(stream.in, static_cast<size_t>(shape_.lanes), Element::kFloat32,
                              stream.channels, stream.out, stream.plane, stream.positions);
      }
    }
  }
}

void TiledWorker::PoolRows() const {
  Tensor block;
  block.data = rows_;
  block.element = problem_.element;
  block.volume = {problem_.out.c, time_->finish.rows(), depth_->finish.rows(), group_rows_,
                  problem_.out.w};
  Tensor whole;
  whole.data = buffers_.out;
  whole.element = problem_.element;
  whole.volume = problem_.pooled;
  RunPoolBlock(*problem_.pool, block, {time_->from, depth_->from, group_from_}, whole);
}

}  // namespace sentinode::ops
