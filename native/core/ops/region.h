// A region of a network, ready to run: what the custom operator holds.
#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/base/status.h"
#include "core/ops/arena.h"
#include "core/ops/layers.h"
#include "core/ops/program.h"

namespace sentinode::ops {

class RowTeam;

struct RegionOptions {
  std::string folder;  // of the compiled model: weights lie there, and measurements are kept there
  int threads = 1;
  // bfloat16 where the plan says so, though float32 be quicker; for tests and measurements.
  bool keep_precision = false;
};

// Run may be called on several threads at once; each call borrows an arena of its own. Memory is
// kept from run to run and grows only for a larger shape.
class Region {
 public:
  // Parses the plan, prepares weights and measures forms; a plan in bfloat16 runs in float32 where
  // that is quicker. Fails with MODEL_INVALID for the plan or
  // its weights, MEMORY_LIMIT.
  static Result<std::unique_ptr<Region>> Create(const std::string& plan,
                                                const RegionOptions& options);

  const Plan& plan() const { return layers_->plan; }

  // One row's sizes to the outputs' volumes, and a program for them: made on the first use of a
  // size.
  Result<std::shared_ptr<const Program>> Prepare(const std::vector<Volume>& inputs);

  // Planar float32, `rows` of each, densely one after the other. As many rows as there are threads
  // run beside each other, a thread a row, so that no thread waits for another within a row; what
  // is left over runs row by row on all threads. Fails with CANCELLED, MEMORY_LIMIT.
  Status Run(const Program& program, int64_t rows, const std::vector<const float*>& inputs,
             const std::vector<float*>& outputs);

  // Arenas and prepared weights of the size used last, in bytes.
  size_t planned_bytes() const;
  // JSON: {"precision", "threads", "planned_bytes", "arena_bytes", "weights_bytes", "gflop",
  // "layers":
  // [{"step", "in", "out", "gflop", "form", "why", "candidates": [{"form", "ms", "gflops",
  // "error"}]}]}, of the size used last.
  std::string ReportJson() const;

 private:
  // Rows [begin, end) of a batch.
  struct Rows {
    const std::vector<const float*>& inputs;
    const std::vector<float*>& outputs;
    int64_t begin;
    int64_t end;
  };

  Region() = default;
  Result<std::shared_ptr<const Program>> Prepare(const std::vector<Volume>& inputs, int threads);
  Status RunInTurn(const Program& program, const Rows& rows);
  Status RunBeside(const Program& program, const Rows& rows);
  Status RunMember(const Program& program, const Rows& rows, RowTeam& team);
  Result<std::unique_ptr<Arena>> TakeArena(size_t bytes);
  void GiveArena(std::unique_ptr<Arena> arena);
  size_t ArenaBytes() const;

  std::unique_ptr<Layers> layers_;
  mutable std::mutex mutex_;
  std::list<std::shared_ptr<const Program>> programs_;  // the one used last first
  std::vector<std::unique_ptr<Arena>> arenas_;          // those that nobody runs in
};

}  // namespace sentinode::ops
