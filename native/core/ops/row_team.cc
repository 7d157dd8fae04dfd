#include "core/ops/row_team.h"

#include <algorithm>

#include "core/base/guard.h"

namespace sentinode::ops {
namespace {

thread_local RowTeam* current_team = nullptr;
thread_local uint8_t* current_arena = nullptr;

}  // namespace

// A row that this thread runs, if one was left, for as long as the scope lasts.
class RowTeam::Claim {
 public:
  Claim(RowTeam& team, uint8_t* arena) : team_(team) {
    const std::lock_guard<std::mutex> lock(team.mutex_);
    if (team.next_ == team.end_) return;
    row_ = team.next_++;
    ++team.running_;
    current_team = &team;
    current_arena = arena;
  }
  ~Claim() {
    if (row_ < 0) return;
    current_team = nullptr;
    current_arena = nullptr;
    {
      const std::lock_guard<std::mutex> lock(team_.mutex_);
      --team_.running_;
    }
    team_.changed_.notify_all();
  }
  Claim(const Claim&) = delete;
  Claim& operator=(const Claim&) = delete;

  int64_t row() const { return row_; }  // negative for none

 private:
  RowTeam& team_;
  int64_t row_ = -1;
};

// Work that others may do too, for as long as the scope lasts; its end waits for them.
class RowTeam::Offer {
 public:
  Offer(RowTeam& team, const Work& work, size_t place) : team_(team), work_(work), place_(place) {
    {
      const std::lock_guard<std::mutex> lock(team.mutex_);
      team.offers_.push_back(this);
    }
    team.changed_.notify_all();
  }
  ~Offer() {
    std::unique_lock<std::mutex> lock(team_.mutex_);
    Withdraw();
    team_.changed_.wait(lock, [this] { return helpers_ == 0; });
  }
  Offer(const Offer&) = delete;
  Offer& operator=(const Offer&) = delete;

  // Takes part; `lock` of the team's mutex is held before and after, not meanwhile.
  Status TakePart(std::unique_lock<std::mutex>& lock, uint8_t* arena) {
    ++helpers_;
    lock.unlock();
    const Status status = Guard([&] {
      work_(arena + place_);
      return Status::Ok();
    });
    lock.lock();
    Withdraw();  // nothing is left of it
    if (--helpers_ == 0) team_.changed_.notify_all();
    return status;
  }

 private:
  void Withdraw() {
    std::vector<Offer*>& offers = team_.offers_;
    offers.erase(std::remove(offers.begin(), offers.end(), this), offers.end());
  }

  RowTeam& team_;
  const Work& work_;
  const size_t place_;  // bytes from an arena's begin to its workspace
  int helpers_ = 0;     // under the team's mutex
};

void RowTeam::Share(uint8_t* workspace, const Work& work) {
  if (current_team == nullptr) return work(workspace);
  const Offer offer(*current_team, work, static_cast<size_t>(workspace - current_arena));
  work(workspace);
}

Status RowTeam::RunRows(uint8_t* arena, const RunRow& run) {
  Status status;
  while (status.ok()) {
    const Claim claim(*this, arena);
    if (claim.row() < 0) break;
    status = Guard([&] { return run(claim.row()); });
  }
  if (!status.ok()) Stop();
  const Status helped = Help(arena);
  return status.ok() ? helped : status;
}

void RowTeam::Stop() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    end_ = next_;
  }
  changed_.notify_all();
}

// Until all rows are done. Who failed to help has left a part of a row undone.
Status RowTeam::Help(uint8_t* arena) {
  Status status;
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return Done() || !offers_.empty(); });
    if (Done()) return status;
    const Status helped = offers_.back()->TakePart(lock, arena);
    if (helped.ok()) continue;
    status = helped;
    end_ = next_;
  }
}

}  // namespace sentinode::ops
