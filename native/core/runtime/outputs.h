// From the outputs of a run to those of each request.
#pragma once

#include <memory>
#include <vector>

#include "core/base/status.h"
#include "core/runtime/batch.h"
#include "core/runtime/ort.h"
#include "core/runtime/session.h"

namespace sentinode {

// Cuts `values` (one per entry of batch.outputs) along dimension 0 where the batch has one, and
// gives each request of `live`, in the order of their rows, its part: a copy where it is small,
// else the memory of the run itself, which lives until the last part is let go. Requests for which
// `wanted` is false get nothing. `inputs` are what the run read. Errors: MODEL_RUN_FAILED where an
// output's dimension 0 is not the number of rows.
Status Scatter(const std::shared_ptr<const Session>& session, const Batch& batch,
               const std::vector<size_t>& live, const std::vector<bool>& wanted, int64_t rows,
               const std::vector<Ort::Value>& inputs, std::vector<Ort::Value> values,
               std::vector<Outcome>& outcomes);

}  // namespace sentinode
