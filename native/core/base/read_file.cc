#include "core/base/read_file.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace sentinode {

bool ReadWhole(int descriptor, void* to, size_t bytes) {
  // One call moves at most 2 GiB on Linux.
  constexpr size_t kMost = size_t{1} << 30;
  for (size_t done = 0; done < bytes;) {
    const ssize_t moved = pread(descriptor, static_cast<char*>(to) + done,
                                std::min(bytes - done, kMost), static_cast<off_t>(done));
    if (moved < 0 && errno == EINTR) continue;
    if (moved <= 0) return false;
    done += static_cast<size_t>(moved);
  }
  return true;
}

}  // namespace sentinode
