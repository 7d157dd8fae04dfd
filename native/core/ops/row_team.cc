#include "core/ops/row_team.h"

#include <algorithm>

namespace sentinode::ops {
namespace {

thread_local RowTeam* current_team = nullptr;
thread_local uint8_t* current_arena = nullptr;

}  // namespace

RowTeam::Member::Member(RowTeam& team, uint8_t* arena) {
  current_team = &team;
  current_arena = arena;
}

RowTeam::Member::~Member() {
  current_team = nullptr;
  current_arena = nullptr;
}

void RowTeam::Share(uint8_t* workspace, const Work& work) {
  if (current_team == nullptr) return work(workspace);
  Offer offer{&work, static_cast<size_t>(workspace - current_arena), 0};
  current_team->Do(workspace, offer);
}

void RowTeam::Do(uint8_t* own_workspace, Offer& offer) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    offers_.push_back(&offer);
  }
  changed_.notify_all();
  (*offer.work)(own_workspace);
  std::unique_lock<std::mutex> lock(mutex_);
  offers_.erase(std::remove(offers_.begin(), offers_.end(), &offer), offers_.end());
  changed_.wait(lock, [&offer] { return offer.helpers == 0; });
}

void RowTeam::FinishRows(int64_t rows) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    running_ -= rows;
  }
  changed_.notify_all();
}

void RowTeam::Help(uint8_t* arena) {
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return running_ == 0 || !offers_.empty(); });
    if (running_ == 0) return;
    Offer& offer = *offers_.back();
    ++offer.helpers;
    lock.unlock();
    (*offer.work)(arena + offer.place);
    lock.lock();
    // Nothing is left of it. Its owner may have taken it back already.
    offers_.erase(std::remove(offers_.begin(), offers_.end(), &offer), offers_.end());
    if (--offer.helpers == 0) changed_.notify_all();
  }
}

}  // namespace sentinode::ops
