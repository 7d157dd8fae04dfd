// OpenMP in one place. The number of threads is a property of the calling thread (ThreadScope), and
// work is divided the same way whatever it is, so that results do not depend on it.
#pragma once

#include <cstdint>

#ifdef _OPENMP
#include <omp.h>
#endif

#ifdef __SANITIZE_THREAD__
extern "C" void __tsan_acquire(void* address);
extern "C" void __tsan_release(void* address);
#endif

namespace sentinode::ops {

// Tells ThreadSanitizer, which cannot see into OpenMP's library, that a team's work comes after
// what its thread did before and before what it does next. Nothing in other builds.
class TeamOrder {
 public:
  TeamOrder() { Release(before_); }
  ~TeamOrder() { Acquire(after_); }
  TeamOrder(const TeamOrder&) = delete;
  TeamOrder& operator=(const TeamOrder&) = delete;
  void BeginWork() { Acquire(before_); }
  void EndWork() { Release(after_); }

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

// body(i) for 0 <= i < count, on this thread's OpenMP threads. The body must not throw.
template <typename Body>
void ParallelFor(int64_t count, const Body& body) {
  TeamOrder order;
#ifdef _OPENMP
#pragma omp parallel if (count > 1)
#endif
  {
    order.BeginWork();
#ifdef _OPENMP
#pragma omp for schedule(static) nowait
#endif
    for (int64_t i = 0; i < count; ++i) body(i);
    order.EndWork();
  }
}

// The same for work whose pieces differ in length.
template <typename Body>
void ParallelForDynamic(int64_t count, const Body& body) {
  TeamOrder order;
#ifdef _OPENMP
#pragma omp parallel if (count > 1)
#endif
  {
    order.BeginWork();
#ifdef _OPENMP
#pragma omp for schedule(dynamic) nowait
#endif
    for (int64_t i = 0; i < count; ++i) body(i);
    order.EndWork();
  }
}

// body() on each of `threads` threads; what the body starts runs on its thread alone. The body must
// not throw.
template <typename Body>
void ParallelTeam([[maybe_unused]] int threads, const Body& body) {
  TeamOrder order;
#ifdef _OPENMP
#pragma omp parallel num_threads(threads)
#endif
  {
    order.BeginWork();
    body();
    order.EndWork();
  }
}

}  // namespace sentinode::ops
