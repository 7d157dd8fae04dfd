// OpenMP in one place. The number of threads is a property of the calling thread (ThreadScope), and
// work is divided the same way whatever it is, so that results do not depend on it.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>

#ifdef _OPENMP
#include <omp.h>
#endif

#include "core/base/denormals.h"

#ifdef __SANITIZE_THREAD__
extern "C" void __tsan_acquire(void* address);
extern "C" void __tsan_release(void* address);
#endif

namespace sentinode::ops {

// What a team of OpenMP's threads owes the thread that started it.
//
// An exception must not leave the team's block: the first is kept and thrown again after it.
// ThreadSanitizer cannot see into OpenMP's library: it is told that the team's work comes after
// what its thread did before and before what it does next.
class TeamWork {
 public:
  TeamWork() { Release(before_); }
  TeamWork(const TeamWork&) = delete;
  TeamWork& operator=(const TeamWork&) = delete;

  // On each of the team's threads, around its part.
  void Begin() { Acquire(before_); }
  void End() { Release(after_); }

  template <typename Body>
  void Do(const Body& body) {
    try {
      body();
    } catch (...) {
      if (!failed_.exchange(true)) error_ = std::current_exception();
    }
  }

  // When all have come to their end.
  void Join() {
    Acquire(after_);
    if (error_) std::rethrow_exception(error_);
  }

 private:
#ifdef __SANITIZE_THREAD__
  static void Acquire(char& mark) { __tsan_acquire(&mark); }
  static void Release(char& mark) { __tsan_release(&mark); }
#else
  static void Acquire(char&) {}
  static void Release(char&) {}
#endif
  char before_ = 0;
  char after_ = 0;
  std::atomic<bool> failed_{false};
  std::exception_ptr error_;
};

inline int MaxThreads() {
#ifdef _OPENMP
  return omp_get_max_threads();
#else
  return 1;
#endif
}

inline int ThreadIndex() {
#ifdef _OPENMP
  return omp_get_thread_num();
#else
  return 0;
#endif
}

// Sets OpenMP's number of threads for what this thread starts, until the end of the scope.
class ThreadScope {
 public:
  explicit ThreadScope(int threads) : before_(MaxThreads()) { Set(threads); }
  ~ThreadScope() { Set(before_); }
  ThreadScope(const ThreadScope&) = delete;
  ThreadScope& operator=(const ThreadScope&) = delete;

 private:
  static void Set([[maybe_unused]] int threads) {
#ifdef _OPENMP
    omp_set_num_threads(threads);
#endif
  }
  int before_;
};

// body(i) for 0 <= i < count, on this thread's OpenMP threads. Throws what a body threw first; the
// others are done all the same.
template <typename Body>
void ParallelFor(int64_t count, const Body& body) {
  TeamWork team;
#ifdef _OPENMP
#pragma omp parallel if (count > 1)
#endif
  {
    const FlushDenormals flush;
    team.Begin();
#ifdef _OPENMP
#pragma omp for schedule(static) nowait
#endif
    for (int64_t i = 0; i < count; ++i) team.Do([&body, i] { body(i); });
    team.End();
  }
  team.Join();
}

// The same for work whose pieces differ in length.
template <typename Body>
void ParallelForDynamic(int64_t count, const Body& body) {
  TeamWork team;
#ifdef _OPENMP
#pragma omp parallel if (count > 1)
#endif
  {
    const FlushDenormals flush;
    team.Begin();
#ifdef _OPENMP
#pragma omp for schedule(dynamic) nowait
#endif
    for (int64_t i = 0; i < count; ++i) team.Do([&body, i] { body(i); });
    team.End();
  }
  team.Join();
}

// body() on each of `threads` threads; what the body starts runs on its thread alone. Throws what a
// body threw first, after all have ended.
template <typename Body>
void ParallelTeam([[maybe_unused]] int threads, const Body& body) {
  TeamWork team;
#ifdef _OPENMP
#pragma omp parallel num_threads(threads)
#endif
  {
    const FlushDenormals flush;
    team.Begin();
    team.Do(body);
    team.End();
  }
  team.Join();
}

}  // namespace sentinode::ops
