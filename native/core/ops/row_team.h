// Threads that each run rows of a batch, and help each other when no rows are left: a thread whose
// processor others use too would else keep all of them waiting with its last row.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <vector>

#include "core/base/status.h"

namespace sentinode::ops {

// One for each batch; safe on any thread of it. Rows are run in arenas that are laid out alike.
// Rows are handed out and counted here alone: once, a row was claimed in one place and counted in
// another, and a cancelled batch left all threads waiting for a row that nobody ran.
class RowTeam {
 public:
  // Work that ends when there is none left, whoever else does it at the same time.
  using Work = std::function<void(uint8_t* workspace)>;
  using RunRow = std::function<Status(int64_t row)>;

  // Of rows [0, rows).
  explicit RowTeam(int64_t rows) : end_(rows) {}
  RowTeam(const RowTeam&) = delete;
  RowTeam& operator=(const RowTeam&) = delete;

  // Runs rows, one after the other, in this thread's `arena` while there are any that nobody has
  // claimed, then helps other members until the last claimed row is done. After a failure nobody
  // claims another row. Returns what failed on this thread first; an exception is a failure as
  // Guard has it.
  Status RunRows(uint8_t* arena, const RunRow& run);

  // Nobody claims another row.
  void Stop();

  // Does `work` in this thread's `workspace`, together with whoever has nothing else to do in the
  // same place of an arena of its own. Within a row of RunRows; elsewhere, alone.
  static void Share(uint8_t* workspace, const Work& work);

 private:
  class Claim;
  class Offer;

  bool Done() const { return next_ == end_ && running_ == 0; }
  Status Help(uint8_t* arena);

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Offer*> offers_;  // that may still hold work
  int64_t next_ = 0;            // the first that nobody has claimed
  int64_t end_;
  int64_t running_ = 0;  // claimed and not done
};

}  // namespace sentinode::ops
