// Threads that each run rows of a batch, and help each other when no rows are left: a thread whose
// processor others use too would else keep all of them waiting with its last row.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <vector>

namespace sentinode::ops {

// One for each batch; safe on any thread of it. Rows are run in arenas that are laid out alike.
class RowTeam {
 public:
  // Work that ends when there is none left, whoever else does it at the same time.
  using Work = std::function<void(uint8_t* workspace)>;

  // `rows` to be run in all.
  explicit RowTeam(int64_t rows) : running_(rows) {}
  RowTeam(const RowTeam&) = delete;
  RowTeam& operator=(const RowTeam&) = delete;

  // Makes the calling thread a member that runs a row in `arena`, until the end of the scope.
  class Member {
   public:
    Member(RowTeam& team, uint8_t* arena);
    ~Member();
    Member(const Member&) = delete;
    Member& operator=(const Member&) = delete;
  };

  // Does `work` in this thread's `workspace`, together with whoever has nothing else to do in the
  // same place of an arena of its own. On a thread that is no member, alone.
  static void Share(uint8_t* workspace, const Work& work);

  // A row is done, or will never be run.
  void FinishRows(int64_t rows);
  // Helps other members, in `arena`, until all rows are done.
  void Help(uint8_t* arena);

 private:
  struct Offer {
    const Work* work;
    size_t place;  // bytes from an arena's begin to its workspace
    int helpers;
  };

  void Do(uint8_t* own_workspace, Offer& offer);

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Offer*> offers_;  // that may still hold work
  int64_t running_;
};

}  // namespace sentinode::ops
