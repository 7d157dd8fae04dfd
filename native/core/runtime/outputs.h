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
// A request whose outputs are larger than RunLimits allow fails with MEMORY_LIMIT, alone.
Status Scatter(const std::shared_ptr<const Session>& session, const Batch& batch,
               const std::vector<size_t>& live, const std::vector<bool>& wanted, int64_t rows,
               const std::vector<Ort::Value>& inputs, std::vector<Ort::Value> values,
               std::vector<Outcome>& outcomes);

// The same before anything is run, as far as the model says how large its outputs are: MEMORY_LIMIT
// where request `index` asks for more than it may have.
Status CheckAnswerSize(const Session& session, const Batch& batch, size_t index);

}  // namespace sentinode
