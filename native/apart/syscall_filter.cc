#include "apart/syscall_filter.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace sentinode::apart {
namespace {

#if defined(__x86_64__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#else
#error "expected x86-64 or arm64"
#endif

// A list of what is refused and not of what is allowed: Node and V8 take up new calls with every
// version.
constexpr long kRefused[] = {
    // sockets; io_uring makes them without a call of their own
    SYS_socket,
    SYS_socketpair,
    SYS_connect,
    SYS_bind,
    SYS_listen,
    SYS_accept,
    SYS_accept4,
    SYS_io_uring_setup,
    SYS_io_uring_enter,
    SYS_io_uring_register,
    // programs and other processes
    SYS_execve,
    SYS_execveat,
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_kill,
    SYS_tkill,
    SYS_rt_sigqueueinfo,
    SYS_rt_tgsigqueueinfo,
    SYS_pidfd_open,
    SYS_pidfd_getfd,
    SYS_pidfd_send_signal,
    SYS_setns,
    SYS_unshare,
    // changes to files
    SYS_openat2,
    SYS_open_by_handle_at,
    SYS_truncate,
    SYS_unlinkat,
    SYS_mkdirat,
    SYS_mknodat,
    SYS_linkat,
    SYS_symlinkat,
    SYS_renameat2,
    SYS_fchmod,
    SYS_fchmodat,
    SYS_fchown,
    SYS_fchownat,
    SYS_setxattr,
    SYS_lsetxattr,
    SYS_fsetxattr,
    SYS_removexattr,
    SYS_lremovexattr,
    SYS_fremovexattr,
    SYS_utimensat,
    // the machine
    SYS_mount,
    SYS_umount2,
    SYS_pivot_root,
    SYS_chroot,
    SYS_reboot,
    SYS_swapon,
    SYS_swapoff,
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_kexec_load,
    SYS_bpf,
    SYS_perf_event_open,
    SYS_userfaultfd,
    SYS_add_key,
    SYS_request_key,
    SYS_keyctl,
    SYS_sethostname,
    SYS_setdomainname,
    SYS_settimeofday,
    SYS_clock_settime,
    SYS_clock_adjtime,
#if defined(__NR_renameat)
    SYS_renameat,
#endif
#if defined(__x86_64__)
    SYS_fork,
    SYS_vfork,
    SYS_creat,
    SYS_unlink,
    SYS_rmdir,
    SYS_mkdir,
    SYS_mknod,
    SYS_link,
    SYS_symlink,
    SYS_rename,
    SYS_chmod,
    SYS_chown,
    SYS_lchown,
    SYS_utime,
    SYS_utimes,
    SYS_futimesat,
#endif
};

constexpr uint32_t kWrites = O_WRONLY | O_RDWR | O_CREAT | O_TRUNC;

/** The low half of a call's argument: what is looked at here has 32 bits (both architectures are
 * little endian). */
constexpr uint32_t Argument(int index) {
  return static_cast<uint32_t>(offsetof(seccomp_data, args)) + 8 * static_cast<uint32_t>(index);
}

class Program {
 public:
  void Load(uint32_t offset) { Add(BPF_LD | BPF_W | BPF_ABS, offset, 0, 0); }
  void Return(uint32_t what) { Add(BPF_RET | BPF_K, what, 0, 0); }
  void Refuse(int reason) { Return(SECCOMP_RET_ERRNO | static_cast<uint32_t>(reason)); }
  /** Skips the next `count` instructions unless the accumulator is, or (bits) has some of, `value`.
   */
  void UnlessEqual(uint32_t value, uint8_t count) {
    Add(BPF_JMP | BPF_JEQ | BPF_K, value, 0, count);
  }
  void UnlessAny(uint32_t bits, uint8_t count) { Add(BPF_JMP | BPF_JSET | BPF_K, bits, 0, count); }
  void IfEqual(uint32_t value, uint8_t count) { Add(BPF_JMP | BPF_JEQ | BPF_K, value, count, 0); }
  void IfAny(uint32_t bits, uint8_t count) { Add(BPF_JMP | BPF_JSET | BPF_K, bits, count, 0); }

  sock_fprog View() { return {static_cast<unsigned short>(code_.size()), code_.data()}; }

 private:
  void Add(int code, uint32_t value, uint8_t yes, uint8_t no) {
    code_.push_back({static_cast<uint16_t>(code), yes, no, value});
  }

  std::vector<sock_filter> code_;
};

/** Goes on with the number of the call, of this architecture. */
void LoadNumber(Program& program) {
  program.Load(offsetof(seccomp_data, arch));
  program.IfEqual(kArchitecture, 1);
  program.Return(SECCOMP_RET_KILL_PROCESS);
  program.Load(offsetof(seccomp_data, nr));
#if defined(__x86_64__)
  // Calls of the x32 ABI have numbers of their own: this bit in them.
  program.UnlessAny(0x40000000, 1);
  program.Refuse(EPERM);
#endif
}

Program MakeProgram() {
  Program program;
  LoadNumber(program);
  for (const long call : kRefused) {
    program.UnlessEqual(static_cast<uint32_t>(call), 1);
    program.Refuse(EPERM);
  }
  // Threads yes, processes no. clone3 passes its flags in memory, where no filter looks: without
  // it, libc falls back on clone.
  program.UnlessEqual(SYS_clone3, 1);
  program.Refuse(ENOSYS);
  program.UnlessEqual(SYS_clone, 4);
  program.Load(Argument(0));
  program.IfAny(CLONE_THREAD, 1);
  program.Refuse(EPERM);
  program.Return(SECCOMP_RET_ALLOW);
  // abort() signals its own thread.
  program.UnlessEqual(SYS_tgkill, 4);
  program.Load(Argument(0));
  program.IfEqual(static_cast<uint32_t>(getpid()), 1);
  program.Refuse(EPERM);
  program.Return(SECCOMP_RET_ALLOW);
  // Limits of others.
  program.UnlessEqual(SYS_prlimit64, 4);
  program.Load(Argument(0));
  program.IfEqual(0, 1);
  program.Refuse(EPERM);
  program.Return(SECCOMP_RET_ALLOW);
  program.UnlessEqual(SYS_openat, 4);
  program.Load(Argument(2));
  program.UnlessAny(kWrites, 1);
  program.Refuse(EPERM);
  program.Return(SECCOMP_RET_ALLOW);
#if defined(__x86_64__)
  program.UnlessEqual(SYS_open, 4);
  program.Load(Argument(1));
  program.UnlessAny(kWrites, 1);
  program.Refuse(EPERM);
  program.Return(SECCOMP_RET_ALLOW);
#endif
  program.Return(SECCOMP_RET_ALLOW);
  return program;
}

bool Install(Program program) {
  // Without it an unprivileged process may set no filter.
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return false;
  const sock_fprog view = program.View();
  return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &view) == 0;
}

}  // namespace

bool FilterSystemCalls() { return Install(MakeProgram()); }

bool RefuseIoUring() {
  Program program;
  LoadNumber(program);
  for (const long call : {SYS_io_uring_setup, SYS_io_uring_enter, SYS_io_uring_register}) {
    program.UnlessEqual(static_cast<uint32_t>(call), 1);
    program.Refuse(ENOSYS);
  }
  program.Return(SECCOMP_RET_ALLOW);
  return Install(std::move(program));
}

}  // namespace sentinode::apart
