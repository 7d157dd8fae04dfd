#pragma once

#include <sys/types.h>

#include <cstddef>

namespace sentinode::apart {

/**
 * Ties this process to its parent, for good: it is killed when `parent` ends; its own writable
 * memory (heap and anonymous mappings; shared memory is not counted, RLIMIT_DATA in getrlimit(2))
 * grows by at most `more_bytes`; it leaves no core and writes no file; and where memory runs out
 * the kernel takes it before others. Returns false with errno, ESRCH where the parent has ended
 * already.
 */
bool Confine(pid_t parent, size_t more_bytes);

}  // namespace sentinode::apart
