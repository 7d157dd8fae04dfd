#include "apart/confine.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <string>

namespace sentinode::apart {
namespace {

bool Limit(int resource, rlim_t value) {
  const rlimit limit{value, value};
  return setrlimit(static_cast<__rlimit_resource_t>(resource), &limit) == 0;
}

/** What counts against RLIMIT_DATA now: thread stacks and V8's young heap are in it from the start.
 */
size_t DataBytes() {
  std::ifstream status("/proc/self/status");
  std::string word;
  size_t kib = 0;
  while (status >> word) {
    if (word == "VmData:") status >> kib;
  }
  return kib * 1024;
}

}  // namespace

bool Confine(pid_t parent, size_t more_bytes) {
  if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) return false;
  if (getppid() != parent) {
    errno = ESRCH;
    return false;
  }
  // Not everywhere allowed, and only a wish.
  std::ofstream("/proc/self/oom_score_adj") << 1000;
  const size_t held = DataBytes();
  if (held == 0) {
    errno = ENOENT;
    return false;
  }
  return Limit(RLIMIT_CORE, 0) && Limit(RLIMIT_FSIZE, 0) && Limit(RLIMIT_DATA, held + more_bytes);
}

}  // namespace sentinode::apart
